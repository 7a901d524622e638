"""``bshm id``: ID photos, one or a sheet of them, and which rule a photo breaks."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import TYPE_CHECKING

from bshm.cli import cut, cut_flags, flags, form, terminal
from bshm.codec import encode
from bshm.idphoto import sizes

if TYPE_CHECKING:
    from bshm.pipeline import Recipe

USAGE = "bshm id PHOTO ... [--size SIZE] [-d DIR | -o FILE] [more flags]"

EPILOG = """\
sizes (width × height in mm):
%s
papers:
%s

examples:
  bshm id photo.jpg --size eu -o id.jpg                  35x45 mm at 300 dpi, before white
  bshm id photo.jpg --size 480x640px --kb 100-500 --background 628bce
  bshm id photo.jpg --size 1inch --sheet 6inch -o print.jpg
  bshm id team/ -d out --size 3x4cm --background white..c8d8e8

All is measured from the person's outline, hair included: the crown, the head's width, the neck.
Chin and eyes are estimated from these. Nobody looks at the face, nor whether it is straight: if an
office takes the photo is for you to see.

exit codes: 0 all done, 1 some photo failed or breaks a rule (the others are written),
2 wrong usage, 130 interrupted
"""


def run(arguments: list[str]) -> int:
    """Make ID photos of the photos that the arguments name; the exit code."""
    parser = build_parser()
    args = cut_flags.parse(parser, arguments)
    if not args.photos:
        parser.error("which photo? bshm id PHOTO --size 35x45mm, %s" % cut_flags.OTHER_PHOTOS)
    args.verbose = terminal.verbose(args.verbose)
    terminal.check_installation()
    return cut.work(args, parser, [_recipe(args, parser)], [])


def build_parser() -> argparse.ArgumentParser:
    """The parser of ``bshm id``."""
    parser = flags.parser(
        "id",
        "Make ID photos: the head framed after the rules of a size, before a plain background.",
        parents=[
            cut_flags.photo_flags(),
            _frame_flags(),
            cut_flags.result_flags(),
            form.file_flags("jpeg"),
            flags.model_flags(),
            flags.volume_flags(),
        ],
        usage=USAGE,
        epilog=EPILOG
        % (
            "\n".join("  %-13s %g × %g" % (name, *size[:2]) for name, size in sizes.NAMED.items()),
            "\n".join("  %-13s %g × %g" % (name, *size) for name, size in sizes.PAPERS.items()),
        ),
    )
    parser.set_defaults(both=False, only_alpha=False)
    return parser


def _frame_flags() -> argparse.ArgumentParser:
    parent = argparse.ArgumentParser(add_help=False)
    add = parent.add_argument_group("ID photo").add_argument
    add(
        "--size",
        default="small-2inch",
        metavar="SIZE",
        help="a name of those below, or width × height: 35x45mm, 2x2in, 413x531px "
        "(default: %(default)s, 35x45 mm)",
    )
    add(
        "--background",
        default="white",
        metavar="B",
        help="a colour, or a gradient such as white..628bce (default: %(default)s)",
    )
    add(
        "--sheet",
        metavar="PAPER",
        help="instead of one photo write a sheet of copies with lines to cut along: a name of "
        "those below, or width × height",
    )
    add(
        "--lenient",
        action="store_true",
        help="make it also of a photo that breaks a rule, as well as it goes",
    )
    return parent


def _recipe(args: argparse.Namespace, parser: argparse.ArgumentParser) -> Recipe:
    """What is wanted of each photo. Leaves where a flag makes no sense."""
    from bshm.scene import background
    from bshm.scene.compose import Scene

    recipe = form.files(args, parser, "jpeg")
    dpi = recipe.dpi or sizes.DPI
    flag = "--size"
    try:
        size = sizes.parse(args.size, dpi)
        flag = "--sheet"
        paper = None if args.sheet is None else sizes.paper(args.sheet, dpi)
        flag = "--background"
        behind = background.parse(args.background)
    except ValueError as error:
        parser.error("%s %s" % (flag, error))
    if not isinstance(behind, (background.Flat, background.Gradient)):
        parser.error("--background %s: no colour, nor a gradient A..B" % args.background)
    clear = background.shows_through(behind)
    if clear and recipe.format in encode.OPAQUE:
        parser.error("--background %s: a JPEG has no transparency, png has" % args.background)
    if clear and paper:
        parser.error("--background %s: what is to be printed is not transparent" % args.background)
    wanted = sizes.IdPhoto(size, paper, args.lenient)
    return replace(recipe, scene=Scene(behind), id_photo=wanted)
