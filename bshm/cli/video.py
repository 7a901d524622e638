"""``bshm video``: cut people out of the frames of a film."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bshm import disk
from bshm.cli import flags, network, scene_flags, signals, terminal
from bshm.errors import BshmError, OutputError, install_extra, root_cause

if TYPE_CHECKING:
    from bshm.video.film import Made, Order

FORMATS = ("webm", "mov", "mp4", "png", "gif", "webp", "apng")
SPEEDS = ("best", "fast")  # those of `bshm.video.mattes`, which loads what --help need not wait for
RESULTS = "./results"  # where no output is named
# The codes of what an output's name, or its format, has against it.
USAGE = ("unknown_format", "other_format", "not_streamable", "no_number")

EPILOG = """\
examples:
  bshm video clip.mp4 -o call.mp4 --background office.jpg --shadow auto
  bshm video clip.mp4 -o soft.mp4 --background blur:0.7
  bshm video clip.mp4 -o clip.webm            VP9 with alpha, for the web
  bshm video clip.mp4 -o clip.mov             ProRes 4444 with alpha, for editors
  bshm video clip.mp4 -o frames/              a PNG for each frame, and timestamps.txt
  bshm video clip.mp4 -o matte.mp4 --only-alpha
  bshm video clip.mp4 -o stacked.mp4          H.264, the matte below the colours
  bshm video party.gif -o party.webp
  cat clip.mp4 | bshm video - -o - > clip.webm

Each frame keeps its own timestamp, and sound is copied as it is, unless the format does not take
it. A run that was interrupted or killed goes on with the same command.

exit codes: 0 done, 1 failed, or what could be read of a damaged film is done, 2 wrong usage,
130 interrupted
"""


def build_parser() -> argparse.ArgumentParser:
    """The parser of ``bshm video``."""
    parser = flags.parser(
        "video",
        "Cut people out of a film, steadily: every frame, with its own timestamp, and the sound.",
        parents=[
            _film_flags(),
            scene_flags.scene_flags(scene_flags.FILMS),
            flags.model_flags(),
            flags.volume_flags(),
        ],
        usage="bshm video FILM [-o FILE] [more flags]",
        epilog=EPILOG,
    )
    return parser


def _film_flags() -> argparse.ArgumentParser:
    parent = argparse.ArgumentParser(add_help=False)
    add = parent.add_argument_group("film").add_argument
    add(
        "film",
        nargs="?",
        metavar="FILM",
        help="a film, an animated GIF, WebP or PNG, or - for stdin",
    )
    add("-i", "--input", metavar="FILM", help="the same, by a flag")
    add(
        "-o",
        "--output",
        metavar="FILE",
        help="file to write, a folder for PNGs, or - for stdout "
        "(default: %s/<name>.webm)" % RESULTS,
    )
    add(
        "--format",
        choices=FORMATS,
        help="what to write (default: as the output's ending says): webm, mov, gif, webp and apng "
        "with alpha; mp4 with a background, else with the matte below the colours; png, a file for "
        "each frame",
    )
    add(
        "--force",
        action="store_true",
        help="replace what -o does not name itself: frames, or the usual file, that bshm did not "
        "make, or that was changed since",
    )
    add("--only-alpha", action="store_true", help="write the matte alone, in grey")
    add(
        "--speed",
        choices=SPEEDS,
        default="fast",
        help="best lets the network see every frame, fast every second one; those between follow "
        "the motion, and edges are drawn anew in each (default: %(default)s)",
    )
    add(
        "--no-steady",
        action="store_true",
        help="matte each frame by itself, without a look at its neighbours",
    )
    return parent


def run(arguments: list[str]) -> int:
    parser = build_parser()
    args = parser.parse_args(arguments)
    if bool(args.film) == bool(args.input):
        parser.error("expected one film: bshm video FILM -o FILE")
    args.verbose = terminal.verbose(args.verbose)
    terminal.check_installation()
    _check_av()
    from bshm.video import film
    from bshm.video.inlet import open_film

    try:
        order = _order(args, parser)
        film.check(order)
    except OutputError as error:
        if error.code in USAGE:
            parser.error(terminal.with_hint(error))
        raise
    if order.source != "-":
        open_film(order.source).close()  # whatever it has against that, it has before all else
    bar: Any = None

    def tell(done: int, expected: int) -> None:
        nonlocal bar
        stop_if_asked()
        if bar is None:
            bar = terminal.progress(expected or None, args.quiet, unit="frame")
            bar.n = bar.initial = done - 1  # what an earlier run made says nothing of the speed
        bar.update(done - bar.n)

    with signals.terminable() as stop_if_asked:
        try:
            with network.load(args) as matting:
                made = film.make(order, matting, tell)
        except KeyboardInterrupt:
            after = "begins anew" if order.is_streamed else "goes on where this one stopped"
            terminal.say("interrupted; the same command " + after)
            return signals.INTERRUPTED
        finally:
            if bar is not None:
                bar.close()
    return _sum_up(made, order, args.quiet)


def _check_av() -> None:
    try:
        import av  # noqa: F401
    except Exception as error:
        needed = "Python 3.10 or newer and: %s (%s)" % (install_extra("video"), root_cause(error))
        raise BshmError("films need " + needed, code="extra_missing") from error


def _order(args: argparse.Namespace, parser: argparse.ArgumentParser) -> Order:
    from bshm.pipeline import Recipe
    from bshm.video import formats
    from bshm.video.film import Order

    source = args.film or args.input
    output = args.output
    if not output:
        stem = "film" if source == "-" else os.path.splitext(os.path.basename(source))[0]
        ending = formats.FORMATS[args.format or "webm"].ending
        output = os.path.join(RESULTS, stem if args.format == "png" else stem + ending)
    elif disk.scheme(output):
        parser.error("-o takes a path, got %s; films are written to this disk" % output)
    if output == "-" and sys.stdout is not None and sys.stdout.isatty():
        parser.error("-o -: stdout is a terminal; pipe the film on, or name a file")
    form = formats.choose(output, args.format)
    return Order(
        source,
        output,
        form,
        Recipe(only_alpha=args.only_alpha, scene=scene_flags.read_film_scene(args, parser)),
        speed=args.speed,
        steady=not args.no_steady,
        background=args.background or "",
        may_replace_foreign=args.force or bool(args.output and form.container),
    )


def _sum_up(made: Made, order: Order, quiet: bool) -> int:
    if made.resumed and not quiet:
        terminal.say("%d of %d frames were there already" % (made.resumed, made.frames))
    for note in made.notes:
        if not quiet:
            terminal.say(note)
    for fault in made.faults:
        terminal.say("%s: %s; what could be read is written" % (order.source, fault))
    if order.output != "-":
        terminal.print_path(Path(order.output))
    return terminal.FAILED if made.faults else terminal.OK
