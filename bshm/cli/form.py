"""The form of results: flags for their format, crop and names, and the recipe that they make."""

from __future__ import annotations

import argparse
import os
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from bshm.batch.names import STEM
from bshm.cli import terminal
from bshm.codec import encode

if TYPE_CHECKING:
    from bshm.pipeline import Recipe


def file_flags(default: str = "png") -> argparse.ArgumentParser:
    """What result files are; a parent of the parsers that take these flags."""
    parent = argparse.ArgumentParser(add_help=False)
    add = parent.add_argument_group("files of the results").add_argument
    add(
        "--format",
        type=str.lower,
        choices=(*encode.ENDINGS, "jpg"),
        help="of the files (default: by the name's ending, else %s); a JPEG has no transparency "
        "and becomes white there" % default,
    )
    add(
        "--quality",
        type=int,
        metavar="Q",
        help="of JPEG and WebP, 1 to 100 (default: %d)" % encode.QUALITY,
    )
    add(
        "--dpi",
        type=int,
        metavar="N",
        help="pixels an inch that the files say, for whoever prints them (default: nothing, or "
        "300 of an ID photo)",
    )
    add(
        "--kb",
        metavar="[MIN-]MAX",
        help="of JPEGs, the best quality that makes no more kilobytes, nor fewer: 200 or 100-500",
    )
    add(
        "--name",
        default=STEM,
        metavar="NAME",
        help="of the files in -d, such as %s_cutout (default: %%(default)s, the photo's)" % STEM,
    )
    return parent


def form_flags() -> argparse.ArgumentParser:
    """What cutouts look like; a parent of the parsers that take these flags."""
    parent = argparse.ArgumentParser(add_help=False)
    add = parent.add_argument_group("form of the results").add_argument
    add("--only-alpha", action="store_true", help="write the matte alone, in grey")
    add(
        "--crop",
        nargs="?",
        const="0",
        metavar="MARGIN",
        help="trim to the people, with a margin around them: pixels, or a share such as 5%% of the "
        "longer side",
    )
    add("--both", action="store_true", help="write the matte, too, beside it as <name>_matte.png")
    return parent


def recipe(args: argparse.Namespace, parser: argparse.ArgumentParser) -> Recipe:
    """What is wanted of each photo. Leaves where the flags contradict each other."""
    if args.both and args.only_alpha:
        parser.error("--both is not allowed with --only-alpha: it writes the matte, too")
    if args.both and args.output == "-":
        parser.error("--both makes two files, and -o - takes one; name a file")
    made = files(args, parser)
    try:
        made = replace(made, only_alpha=args.only_alpha, crop=args.crop)
    except ValueError as error:  # of the margin
        parser.error("--crop: %s; photos stand before it" % error)
    see_through = not args.only_alpha and args.background is None
    if made.format in encode.OPAQUE and see_through and not args.quiet:
        terminal.say("a JPEG has no transparency: the background is white")
    return made


def files(args: argparse.Namespace, parser: argparse.ArgumentParser, usual: str = "png") -> Recipe:
    """A recipe that knows what files are wanted, and nothing else yet."""
    from bshm.pipeline import Recipe

    format = _format(args, parser) or usual
    if format == "png" and args.quality is not None:
        parser.error("--quality is for JPEG and WebP; a PNG loses nothing")
    flag = "--quality"
    try:
        encode.check(format, args.quality)
        flag = "--dpi"
        encode.check(format, dpi=args.dpi)
        flag = "--kb"
        kilobytes = None if args.kb is None else _range(args.kb)
        encode.check(format, args.quality, kilobytes=kilobytes)
    except ValueError as error:
        parser.error("%s: %s" % (flag, error))
    return Recipe(
        format=format,
        quality=args.quality,
        kilobytes=kilobytes,
        dpi=args.dpi,
        max_pixels=round(args.max_pixels * 1e6),
    )


def _range(text: str) -> tuple[float, float]:
    """``200`` or ``100-500``. Raises ValueError."""
    found = re.fullmatch(r"(?:(\d+(?:\.\d+)?)-)?(\d+(?:\.\d+)?)(?:kb)?", text.strip().lower())
    if not found:
        raise ValueError("expected kilobytes such as 200 or 100-500, got %s" % text)
    return float(found.group(1) or 0), float(found.group(2))


def _format(args: argparse.Namespace, parser: argparse.ArgumentParser) -> str | None:
    """The format that is asked for by name, or by the ending of a file's; None where none is."""
    if args.output is not None and args.name != STEM:
        parser.error("--name is not allowed with -o: that names the file already")
    flag, named = ("--name", args.name) if args.output is None else ("-o", args.output)
    odd = [field for field in re.findall(r"{[^{}]*}", args.name) if field != STEM]
    if odd or not args.name or re.search(r"[/\\\0]", args.name):
        parser.error("--name takes a file's name, in which %s is the photo's" % STEM)
    try:
        by_ending = encode.format_of(named, whole=flag == "-o" and not args.format)
    except ValueError as error:
        parser.error("%s: %s" % (flag, error))
    asked = args.format and encode.known(args.format)
    if asked and by_ending and asked != by_ending:
        parser.error("%s %s is not the name of a %s" % (flag, named, asked.upper()))
    return asked or by_ending


def stem(name: str) -> str:
    """A name of files without the ending that said their format."""
    return os.path.splitext(name)[0] if encode.format_of(name) else name
