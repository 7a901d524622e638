"""The form of results: flags for their format, crop and names, and the recipe that they make."""

from __future__ import annotations

import argparse
import os
import re
from typing import TYPE_CHECKING

from bshm.cli import terminal
from bshm.codec import encode

if TYPE_CHECKING:
    from bshm.pipeline import Recipe

STEM = "{stem}"


def form_flags() -> argparse.ArgumentParser:
    """What results look like; a parent of the parsers that take these flags."""
    parent = argparse.ArgumentParser(add_help=False)
    add = parent.add_argument_group("form of the results").add_argument
    add(
        "--format",
        type=str.lower,
        choices=(*encode.ENDINGS, "jpg"),
        help="of the files (default: by the name's ending, else png); a JPEG has no transparency "
        "and becomes white there",
    )
    add(
        "--crop",
        nargs="?",
        const="0",
        metavar="MARGIN",
        help="trim to the people, with a margin around them: pixels, or a share such as 5%% of the "
        "longer side",
    )
    add("--both", action="store_true", help="write the matte, too, beside it as <name>_matte.png")
    add(
        "--name",
        default=STEM,
        metavar="NAME",
        help="of the files in -d, such as %s_cutout (default: %%(default)s, the photo's)" % STEM,
    )
    return parent


def recipe(args: argparse.Namespace, parser: argparse.ArgumentParser) -> Recipe:
    """What is wanted of each photo. Leaves where the flags contradict each other."""
    from bshm.pipeline import Recipe

    if args.both and args.only_alpha:
        parser.error("--both is not allowed with --only-alpha: it writes the matte, too")
    if args.both and args.output == "-":
        parser.error("--both makes two files, and -o - takes one; name a file")
    format = _format(args, parser)
    try:
        made = Recipe(
            only_alpha=args.only_alpha,
            crop=args.crop,
            format=format,
            max_pixels=round(args.max_pixels * 1e6),
        )
    except ValueError as error:  # of the margin
        parser.error("--crop: %s; photos stand before it" % error)
    if format in encode.OPAQUE and not args.only_alpha and not args.quiet:
        terminal.say("a JPEG has no transparency: the background is white")
    return made


def _format(args: argparse.Namespace, parser: argparse.ArgumentParser) -> str:
    """The format that is asked for by name, or by the ending of a file's."""
    if args.output is not None and args.name != STEM:
        parser.error("--name is not allowed with -o: that names the file already")
    flag, named = ("--name", args.name) if args.output is None else ("-o", args.output)
    odd = [field for field in re.findall(r"{[^{}]*}", args.name) if field != STEM]
    if odd or not args.name or re.search(r"[/\\\0]", args.name):
        parser.error("--name takes a file's name, in which %s is the photo's" % STEM)
    try:
        by_ending = encode.format_of(named)
    except ValueError as error:
        parser.error("%s: %s" % (flag, error))
    asked = args.format and encode.known(args.format)
    if asked and by_ending and asked != by_ending:
        parser.error("%s %s is not the name of a %s" % (flag, named, asked.upper()))
    return asked or by_ending or "png"


def stem(name: str) -> str:
    """A name of files without the ending that said their format."""
    return os.path.splitext(name)[0] if encode.format_of(name) else name
