"""Which command: ``bshm`` cuts out photos, ``bshm NAME`` runs another command."""

from __future__ import annotations

import importlib
import sys
from typing import Sequence

from bshm.cli import cut, signals, terminal
from bshm.errors import BshmError

# Commands beside cutting out, and what they are for; each is a module of this folder.
COMMANDS = {
    "info": "versions, engines, devices, weights and cache, for a bug report",
    "download": "fetch the released BSHM weights once, verified",
    "verify": "check the fetched weights against their recorded hash",
    "convert": "turn a frozen TensorFlow graph into ONNX",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code. See ``bshm --help``."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    terminal.fill_closed_streams()
    try:
        if arguments and arguments[0] in COMMANDS:
            return importlib.import_module("bshm.cli." + arguments[0]).run(arguments[1:])
        return cut.run(arguments, COMMANDS)
    except BshmError as error:
        terminal.say(terminal.with_hint(error))
        return terminal.FAILED
    except KeyboardInterrupt:
        terminal.say("interrupted")
        return signals.INTERRUPTED
