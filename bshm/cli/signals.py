"""What a whole process shares: signals, streams that the shell closed, settings of libraries."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
from typing import Callable, Iterator

INTERRUPTED = 130  # exit code
GRACE_S = 30  # for what is being written when a signal comes


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of it, past any buffer, however little of it is taken at a time.

    Raises OSError.
    """
    left = memoryview(data)
    while left:
        try:
            left = left[os.write(descriptor, left) :]
        except BlockingIOError:  # a pipe that its other end made non-blocking
            select.select([], [descriptor], [])


@contextlib.contextmanager
def without_stderr() -> Iterator[None]:
    """Nothing on stderr meanwhile, not even from libraries that write to its descriptor."""
    saved, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)


@contextlib.contextmanager
def terminable() -> Iterator[Callable[[], None]]:
    """What schedulers and closing terminals send ends a run as gently as Ctrl-C.

    Yields a function that raises KeyboardInterrupt once a signal has come. A handler that raised
    it might do so inside the standard library's own locks, and leave them locked or be lost
    behind their errors. A second signal, or ``GRACE_S`` without an end, leaves at once. What is
    ignored, as nohup has SIGHUP ignored, stays so.
    """
    come: list[int] = []

    def note(number: int, _: object) -> None:
        if come:
            os._exit(INTERRUPTED)
        come.append(number)
        if hasattr(signal, "alarm"):
            signal.alarm(GRACE_S)

    def check() -> None:
        if come:
            raise KeyboardInterrupt

    names = ("SIGINT", "SIGTERM", "SIGHUP", "SIGALRM")
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in numbers}
    before = {number: way for number, way in before.items() if way != signal.SIG_IGN}
    for number in before:
        signal.signal(number, note)
    try:
        yield check
    finally:
        if come and hasattr(signal, "alarm"):
            signal.alarm(0)
        for number, way in before.items():
            signal.signal(number, way)


def fill_closed_streams() -> None:
    """Let no file that is opened take the number of a stream that the shell closed (``2>&-``)."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    if sys.stderr is None:  # print would turn to stdout
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - to the end of the process
