"""Which command: ``bshm NAME`` runs a command, ``bshm`` alone cuts out photos."""

from __future__ import annotations

import difflib
import importlib
import os
import re
import sys
from typing import Sequence

from bshm.cli import signals, terminal
from bshm.errors import BshmError

# The commands and what they are for. Each is a module of this folder with a function
# ``run(arguments)``, which takes what follows the name and returns the exit code.
COMMANDS = {
    "cut": "cut people out of photos; the name may be left out",
    "id": "make ID photos, one or a sheet of them",
    "video": "cut people out of the frames of a film",
    "info": "print versions, engines, devices, weights and cache, for a bug report",
    "download": "fetch the released BSHM weights once, verified",
    "verify": "check the fetched weights against their recorded hash",
    "serve": "the HTTP service and its page",
    "cluster": "cut people out of millions of photos, on many machines",
    "convert": "turn a frozen TensorFlow graph into ONNX",
    "help": "print the help of a command",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code. See ``bshm --help``."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    terminal.fill_closed_streams()
    try:
        with terminal.without_warnings():
            if arguments and arguments[0] in COMMANDS:
                return run(arguments[0], arguments[1:])
            if arguments and not os.path.lexists(arguments[0]):
                _refuse_near_miss(arguments[0])
            return run("cut", arguments)
    except BshmError as error:
        terminal.say(terminal.with_hint(error))
        return terminal.FAILED
    except KeyboardInterrupt:
        terminal.say("interrupted")
        return signals.INTERRUPTED


def run(command: str, arguments: list[str]) -> int:
    """Run one of the commands, whose module is loaded only now."""
    return importlib.import_module("bshm.cli." + command).run(arguments)


def _refuse_near_miss(word: str) -> None:
    """Leave where a word that is no file was likely to be the name of a command."""
    near = difflib.get_close_matches(word, COMMANDS, 1) if re.fullmatch("[A-Za-z]+", word) else []
    if near:
        terminal.say("%s: no such file or command; did you mean `bshm %s`?" % (word, near[0]))
        sys.exit(terminal.WRONG_USAGE)
