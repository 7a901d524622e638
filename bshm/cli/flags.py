"""The parsers of the commands, and the flags that several of them share.

A command takes a shared group as a parent: ``parser("video", "...", parents=[model_flags()])``.
"""

from __future__ import annotations

import argparse
import re
import sys
from typing import Any, NoReturn, Sequence

from bshm.batch.names import printable
from bshm.cli import terminal
from bshm.errors import without_secrets_in
from bshm.model.engine import DEVICES, ENGINE_PACKAGES


def parser(
    command: str,
    description: str,
    parents: Sequence[argparse.ArgumentParser] = (),
    **options: Any,
) -> argparse.ArgumentParser:
    """The parser of a command: ``bshm`` and its name, or ``bshm`` alone where that is empty."""
    return _Parser(
        prog=("bshm " + command).rstrip(),
        description=description,
        parents=list(parents),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        **options,
    )


class _Parser(argparse.ArgumentParser):
    """Help reaches stdout whole or raises; complaints hide secrets and control characters."""

    def _print_message(self, message: str, file: Any = None) -> None:
        if file is sys.stdout:
            terminal.print_text(message, end="")
        else:
            super()._print_message(message, file)

    def error(self, message: str) -> NoReturn:
        super().error(printable(without_secrets_in(message)))


ALL_CPUS = "as many as this process has CPUs"


def model_flags(threads: str = ALL_CPUS) -> argparse.ArgumentParser:
    """What runs the network: weights, device, engine, threads; as ``Matting`` takes them.

    threads: how many, in words, where nothing is said
    """
    parent = argparse.ArgumentParser(add_help=False)
    add = parent.add_argument_group("network").add_argument
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
        help="where to run; one that is named and missing is an error (default: auto)",
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
        help="CPU threads to use (default: %s)" % threads,
    )
    return parent


def volume_flags() -> argparse.ArgumentParser:
    """How much is said."""
    parent = argparse.ArgumentParser(add_help=False)
    volume = parent.add_mutually_exclusive_group()
    volume.add_argument("-v", "--verbose", action="store_true", help="say more, to stderr")
    volume.add_argument("-q", "--quiet", action="store_true", help="say only what failed")
    return parent


def count(text: str) -> int:
    """A number from 0, of argparse."""
    if not re.fullmatch("[0-9]{1,9}", text):
        raise argparse.ArgumentTypeError("expected a number, got %r" % text)
    return int(text)


def _threads(text: str) -> int:
    if not re.fullmatch("[0-9]{1,4}", text):
        raise argparse.ArgumentTypeError(
            "expected a number of threads, 0 for all CPUs, got %r" % text
        )
    return int(text)
