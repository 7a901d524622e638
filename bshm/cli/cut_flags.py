"""The flags of ``bshm cut``: photos in, cutouts out."""

from __future__ import annotations

import argparse
import difflib
import re

from bshm import __version__
from bshm.cli import flags, form, scene_flags
from bshm.cli.main import COMMANDS
from bshm.codec.decode import MAX_PIXELS
from bshm.errors import without_secrets

# What may be meant where no photo is named: argparse takes -dash.jpg for -d and a folder.
OTHER_PHOTOS = "- for stdin, -- -name.jpg for a name that begins with a dash"
SAMPLE, RESULTS = "./image-matting/1.png", "./results"  # where nothing is named

USAGE = "bshm [PHOTO ...] [-i PHOTO ...] [-d DIR | -o FILE] [more flags]\n       bshm COMMAND ..."

EPILOG = """\
examples:
  bshm *.jpg -d out                         out/<name>.png, transparent around the people
  bshm holiday/ -d out --recursive          a whole folder, one process
  bshm 'in/*.jpg' -d out --skip-existing    go on where an earlier run stopped
  bshm https://example.org/p.jpg -o p.png
  bshm photo.jpg --background beach.jpg --shadow auto
  cat photo.jpg | bshm - -o - > cutout.png

commands (bshm NAME --help tells more; a folder of such a name is ./NAME):
%s

exit codes: 0 all done, 1 some photo failed (the others are written), 2 wrong usage,
130 interrupted
"""


def build_parser() -> argparse.ArgumentParser:
    """The parser of ``bshm cut``; its help is that of ``bshm`` and lists the commands."""
    parser = flags.parser(
        "",
        "Cut people out of photos: RGBA PNGs with soft hair and clean edges.",
        parents=all_flags(),
        usage=USAGE,
        epilog=EPILOG % "\n".join("  bshm %-9s %s" % command for command in COMMANDS.items()),
    )
    parser.add_argument("--version", action="version", version="bshm " + __version__)
    return parser


def all_flags(
    threads: str = flags.ALL_CPUS, sample: str | None = SAMPLE, single: bool = True
) -> list[argparse.ArgumentParser]:
    """Whatever ``bshm cut`` takes; the parents of the parsers that do the same.

    threads: see `flags.model_flags`; sample: see `photo_flags`; single: see `result_flags`
    """
    return [
        photo_flags(sample, single),
        result_flags(single),
        form.form_flags(),
        form.file_flags(),
        scene_flags.scene_flags(),
        flags.model_flags(threads),
        flags.volume_flags(),
    ]


def photo_flags(sample: str | None = None, stdin: bool = True) -> argparse.ArgumentParser:
    """Which photos; a parent of the parsers that take many.

    sample: what is taken where none is named, if anything is
    stdin: whether one may come from there
    """
    forms = "photo, folder, quoted glob, http(s) URL, address in a store (s3://bucket/in), @FILE "
    forms += "with a photo a line, or - for stdin" if stdin else "with a photo a line"
    parent = argparse.ArgumentParser(add_help=False)
    add = parent.add_argument_group("photos").add_argument
    add(
        "photos",
        nargs="*",
        metavar="PHOTO",
        help=forms + "; several are fine" + (" (default: %s)" % sample if sample else ""),
    )
    add("-i", "--input", nargs="+", action="append", metavar="PHOTO", help="the same, by a flag")
    add("--recursive", action="store_true", help="go into folders below a folder")
    add(
        "--max-pixels",
        type=_megapixels,
        default=MAX_PIXELS // 10**6,
        metavar="MP",
        help="refuse photos of more megapixels than this (default: %(default)s)",
    )
    return parent


def result_flags(single: bool = True) -> argparse.ArgumentParser:
    """Where results go, and what is said of them; a parent of the same parsers.

    single: whether the help tells of -o, for one photo
    """
    parent = argparse.ArgumentParser(add_help=False)
    add = parent.add_argument_group("results").add_argument
    add(
        "-d",
        "--output_dir",
        "--output-dir",
        metavar="DIR",
        help="folder for the cutouts, created when missing, or address of one in a store "
        "(default: %s)" % RESULTS,
    )
    add(
        "-o",
        "--output",
        metavar="FILE",
        help="instead of -d: write the one cutout to FILE, or - for stdout"
        if single
        else argparse.SUPPRESS,
    )
    add(
        "--skip-existing",
        action="store_true",
        help="leave out photos whose finished cutout is there",
    )
    add(
        "--force",
        action="store_true",
        help="replace files in -d that bshm did not make, or that were changed since",
    )
    add(
        "--fail-empty",
        action="store_true",
        help="exit code 1 also where nobody was found on a photo",
    )
    add("--null", action="store_true", help="or -0: end the paths on stdout by NUL, for xargs -0")
    add("--json", action="store_true", help="print one JSON line a photo instead of its path")
    add("--timing", action="store_true", help="print where the time went, in ms, to stderr")
    return parent


def parse(parser: argparse.ArgumentParser, arguments: list[str]) -> argparse.Namespace:
    """Parse the arguments, or leave; ``args.photos`` has those of ``-i``, too."""
    # What argparse finds behind -- it parses a second time, as flags.
    end = arguments.index("--") if "--" in arguments else len(arguments)
    arguments, behind = arguments[:end], arguments[end + 1 :]
    # With a flag -0, argparse would take the value of `--threads -1` for a flag, too.
    arguments = ["--null" if argument == "-0" else argument for argument in arguments]
    args, unknown = parser.parse_known_intermixed_args(arguments)
    if unknown:
        known = [flag for action in parser._actions for flag in action.option_strings]
        near = difflib.get_close_matches(unknown[0].partition("=")[0], known, 1)
        advice = "; did you mean %s?" % near[0] if near else ""
        parser.error("unknown: %s%s" % (" ".join(unknown), advice))
    args.photos = [name for group in args.input or [] for name in group] + args.photos + behind
    if "" in args.photos:  # an unset shell variable arrives as an empty string
        parser.error("a photo has an empty name; is a variable of the shell not set?")
    if args.output is not None and args.output_dir is not None:
        parser.error("-o is not allowed with -d: one names a file, the other a folder")
    if args.output_dir is None:
        args.output_dir = RESULTS
    if not args.output_dir:
        parser.error("-d takes a folder, got an empty name; for this one say -d .")
    if args.output == "":
        parser.error("-o takes a file, got an empty name")
    for flag, place in (("-d", args.output_dir), ("-o", args.output or "")):
        if re.match("(https?|file)://", place, re.IGNORECASE):
            expected = "a path or an address in a store"
            parser.error("%s takes %s, got %s" % (flag, expected, without_secrets(place)))
    return args


def _megapixels(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0
    if not 0 < value < 1e5:
        raise argparse.ArgumentTypeError("expected megapixels above 0, such as 100, got %r" % text)
    return value
