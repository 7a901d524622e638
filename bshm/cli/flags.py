"""The flags of the command line and their help."""

from __future__ import annotations

import argparse
import re
from typing import Mapping

from bshm import __version__
from bshm.cli import form
from bshm.codec.decode import MAX_PIXELS
from bshm.model.engine import DEVICES, ENGINE_PACKAGES

SAMPLE = "./image-matting/1.png"

EPILOG = """\
examples:
  bshm -i photo.jpg -d out                  out/photo.png, transparent around the people
  bshm -i holiday/ -d out --recursive       a whole folder, one process
  bshm -i 'in/*.jpg' -d out --skip-existing go on where an earlier run stopped
  bshm -i https://example.org/p.jpg -o p.png
  cat photo.jpg | bshm -i - -o - > cutout.png

other commands (each has its own --help):
%s

exit codes: 0 all done, 1 some photo failed (the others are written), 2 wrong usage,
130 interrupted
"""


def build_parser(commands: Mapping[str, str]) -> argparse.ArgumentParser:
    """The parser of ``bshm``; its help lists the other commands and what they are for."""
    parser = argparse.ArgumentParser(
        prog="bshm",
        description="Cut people out of photos: RGBA PNGs with soft hair and clean edges.",
        epilog=EPILOG % "\n".join("  bshm %-11s %s" % command for command in commands.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[form.form_flags()],
    )
    add = parser.add_argument
    add(
        "-i",
        "--input",
        nargs="+",
        action="append",
        metavar="PHOTO",
        help="photo, folder, quoted glob, http(s) URL, or - for stdin; several are fine "
        "(default: %s)" % SAMPLE,
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "-d",
        "--output_dir",
        "--output-dir",
        metavar="DIR",
        default="./results",
        help="folder for the cutouts, created when missing (default: %(default)s)",
    )
    where.add_argument(
        "-o", "--output", metavar="FILE", help="write the one cutout to FILE, or - for stdout"
    )
    add("--recursive", action="store_true", help="go into folders below a folder")
    add("--only-alpha", action="store_true", help="write the matte alone, in grey")
    add(
        "--skip-existing",
        action="store_true",
        help="leave out photos whose finished cutout is there",
    )
    add(
        "--weights",
        default="auto",
        metavar="W",
        help="auto, bshm-lite, a .onnx or .pb file, a model folder, or a hub id; auto takes the "
        "released weights when they were downloaded, else bshm-lite (default: auto)",
    )
    add(
        "--device",
        default="auto",
        choices=DEVICES,
        help="where to run (default: auto)",
    )
    add(
        "--engine",
        default="auto",
        choices=("auto", *ENGINE_PACKAGES),
        help="what to run on (default: auto, what is installed and fits the weights)",
    )
    add(
        "--threads",
        type=_threads,
        default=0,
        metavar="N",
        help="CPU threads to use (default: as many as this process has CPUs)",
    )
    add(
        "--max-pixels",
        type=_megapixels,
        default=MAX_PIXELS // 10**6,
        metavar="MP",
        help="refuse photos of more megapixels than this (default: %(default)s)",
    )
    add("--timing", action="store_true", help="print where the time went, in ms, to stderr")
    add("--json", action="store_true", help="print one JSON line a photo instead of its path")
    volume = parser.add_mutually_exclusive_group()
    volume.add_argument("-v", "--verbose", action="store_true", help="say more, to stderr")
    volume.add_argument("-q", "--quiet", action="store_true", help="say only what failed")
    add("--version", action="version", version="bshm " + __version__)
    return parser


def _megapixels(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0
    if not 0 < value < 1e5:
        raise argparse.ArgumentTypeError("invalid number of megapixels value: %r" % text)
    return value


def _threads(text: str) -> int:
    if not re.fullmatch("[0-9]{1,4}", text):
        raise argparse.ArgumentTypeError(
            "expected a number of threads, 0 for all CPUs, got %r" % text
        )
    return int(text)
