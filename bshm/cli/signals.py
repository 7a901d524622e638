"""What schedulers and closing terminals send: a run ends gently, or at once if told twice."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from typing import Callable, Iterator

INTERRUPTED = 130  # exit code
GRACE_S = 30  # seconds for what is being written when a signal comes


def leave_at_once() -> None:
    """Let Ctrl-C end the process now: nothing is begun before `terminable` takes over.

    The KeyboardInterrupt of Python would end in a traceback of whichever import it meets, or be
    taken for a package that does not load.
    """

    def leave(*_: object) -> None:
        with contextlib.suppress(OSError, RuntimeError):  # RuntimeError: in the midst of a line
            print("bshm: interrupted", file=sys.stderr, flush=True)
        os._exit(INTERRUPTED)

    if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
        signal.signal(signal.SIGINT, leave)


@contextlib.contextmanager
def terminable() -> Iterator[Callable[[], None]]:
    """Let signals end a run as gently as Ctrl-C.

    Yields a function that raises KeyboardInterrupt once a signal has come. A handler that raised
    it might do so inside the standard library's own locks, and leave them locked or be lost
    behind their errors. A second signal, or ``GRACE_S`` without an end, leaves at once. What is
    ignored, as nohup has SIGHUP ignored, stays so.
    """
    received: list[int] = []

    def note(number: int, _: object) -> None:
        if received:
            os._exit(INTERRUPTED)
        received.append(number)
        if hasattr(signal, "alarm"):
            signal.alarm(GRACE_S)

    def stop_if_asked() -> None:
        if received:
            raise KeyboardInterrupt

    names = ("SIGINT", "SIGTERM", "SIGHUP", "SIGALRM")
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in numbers}
    before = {number: handler for number, handler in before.items() if handler != signal.SIG_IGN}
    for number in before:
        signal.signal(number, note)
    try:
        yield stop_if_asked
    finally:
        if received and hasattr(signal, "alarm"):
            signal.alarm(0)
        for number, handler in before.items():
            signal.signal(number, handler)
