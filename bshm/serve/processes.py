"""Processes that work for the service: how they are made, and the pipe to each."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
import sys
import tempfile
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, Callable

from bshm.errors import BshmError

PRELOAD = "bshm.serve.making"  # what each worker imports


def answer_of(pipe: Connection) -> Any:
    """What comes through a pipe; an error of ours is raised. Raises EOFError and OSError, too."""
    answer = pipe.recv()
    if isinstance(answer, BshmError):
        raise answer
    return answer


class Child:
    """One process at a time, and the pipe to it. Its calls block, and belong into a thread."""

    def __init__(self) -> None:
        self.is_over = False  # it is not to start any more
        self.process: BaseProcess | None = None
        self.pipe: Connection | None = None

    @property
    def is_there(self) -> bool:
        """Whether the process runs, asked while it has nothing to say: it has not hung up."""
        try:
            return self.pipe is not None and not self.pipe.poll(0)
        except OSError:
            return False

    @property
    def exit_code(self) -> int | None:
        return self.process.exitcode if self.process else None

    def launch(self, target: Callable[..., None], *arguments: Any) -> Connection:
        """Start a process that is given its end of the pipe and arguments; the one before is ended.

        Our end of the pipe.
        """
        self.stop()
        context = _context()
        self.pipe, theirs = context.Pipe()
        process = context.Process(
            target=target, args=(theirs, *arguments), name="bshm-worker", daemon=True
        )
        process.start()
        self.process = process
        theirs.close()
        if self.is_over:  # since it began to start
            self.stop()
        return self.pipe

    def stop(self) -> None:
        if self.process and self.pipe:
            self.process.kill()
            self.process.join()
            self.pipe.close()


def _context() -> Any:
    """How processes are made.

    On Linux all are forked from one that has imported what they need, and has no threads: so each
    is there sooner, and they share that memory. It needs a folder for its socket.
    """
    if sys.platform == "linux":
        with contextlib.suppress(FileNotFoundError):
            tempfile.gettempdir()
            context = multiprocessing.get_context("forkserver")
            context.set_forkserver_preload([PRELOAD])
            return context
    return multiprocessing.get_context("spawn")


def leave_signals_to_service() -> None:
    """In such a process: the service says when to stop, by hanging up."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
