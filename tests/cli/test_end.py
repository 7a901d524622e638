"""The end of a process: nothing that others have left to do is skipped."""

from __future__ import annotations

import subprocess
import sys

import pytest

# Stands in for what a command runs: a library that leaves something to do for the end.
PROGRAM = """
import atexit, sys
from bshm import __main__
from bshm.cli import main as cli

def main():
    print("written")
    atexit.register(print, "left to do")
    return int(sys.argv[1])

cli.main = main
sys.exit(__main__.main())
"""


@pytest.mark.parametrize("code", [0, 1, 130])
def test_what_was_left_for_the_end_is_done_and_the_exit_code_kept(code):
    command = [sys.executable, "-c", PROGRAM, str(code)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (code, "")
    assert ended.stdout.splitlines() == ["written", "left to do"]
