"""One engine for all workers: the process that has the GPU, and who asks it.

On a GPU the forward pass takes a twentieth of the time that a CPU then needs to decode, refine and
encode the photo, and for almost half of that Python's lock is held. So workers stay processes, with
a photo each, and only what the network sees comes here: through one session, a thread a worker, as
soon as it is there. Nobody waits for a batch to fill, and there are no more photos on the GPU than
workers.
"""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import secrets
import sys
import threading
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection, Listener
from typing import TYPE_CHECKING, Any, Iterator

from bshm.errors import BshmError
from bshm.model import engine as engines
from bshm.model.engine import Engine
from bshm.serve.processes import Child, answer_of, leave_signals_to_service

if TYPE_CHECKING:
    import numpy as np

log = logging.getLogger("bshm.serve")

BACKLOG = 64  # workers that may connect at the same moment


class Gone(Exception):
    """The process that has the engine ended."""


class SharedEngine(Engine):
    """The engine of another process, to whose `Host` it is connected.

    pipe: has something to read, unasked, only when that process is gone
    """

    def __init__(self, address: str) -> None:
        """Raises Gone."""
        self._lock = threading.Lock()
        try:
            self.pipe = Client(address, authkey=multiprocessing.current_process().authkey)
        except (OSError, EOFError) as error:
            raise Gone from error

    def start(self, name: str, path: str, device: str, threads: int) -> SharedEngine:
        """As `bshm.model.engine.start` does; it is started there by who comes first."""
        with self._asking():
            self.pipe.send((name, path, device, threads))
            self.device, self.note = answer_of(self.pipe)
        return self

    def alpha(self, rgb: np.ndarray) -> np.ndarray:
        """Raises Gone, too."""
        with self._asking():
            _send(self.pipe, rgb)
            return _receive(self.pipe, "float32")

    def close(self) -> None:
        self.pipe.close()

    @contextlib.contextmanager
    def _asking(self) -> Iterator[None]:
        try:
            with self._lock:
                yield
        except (OSError, EOFError, MemoryError) as error:  # half an answer may be in the pipe
            raise Gone from error


def _send(pipe: Connection, plane: np.ndarray) -> None:
    """Its shape and its bytes, which take a third of the time that a pickle takes."""
    pipe.send(plane.shape)
    pipe.send_bytes(plane.reshape(-1).view("uint8").data)


def _receive(pipe: Connection, kind: str) -> np.ndarray:
    """What `_send` sent, not to be written to; an error of ours is raised."""
    import numpy as np

    shape = answer_of(pipe)
    return np.frombuffer(pipe.recv_bytes(), kind).reshape(shape)


class Host:
    """Has the engine, and answers those who are connected, each in a thread of its own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._engine: Engine | None = None

    def serve(self, listener: Listener) -> None:
        """Take whoever connects, without end."""
        while True:
            with contextlib.suppress(AuthenticationError, EOFError, ConnectionError):
                pipe = listener.accept()
                threading.Thread(target=self._attend, args=(pipe,), daemon=True).start()

    def _attend(self, pipe: Connection) -> None:
        with pipe, contextlib.suppress(EOFError, OSError):  # until the worker ends
            try:
                engine = self._start(*pipe.recv())
            except BshmError as error:
                pipe.send(error)
                return
            pipe.send((engine.device, engine.note))
            while True:
                rgb = _receive(pipe, "uint8")
                try:
                    alpha = engine.alpha(rgb)
                except BshmError as error:
                    pipe.send(error)
                else:
                    _send(pipe, alpha)

    def _start(self, *arguments: Any) -> Engine:
        with self._lock:
            self._engine = self._engine or engines.start(*arguments)
            return self._engine


class Shared:
    """The process that has the engine, seen from the service."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._child = Child()
        self._address = ""

    def address(self) -> str:
        """Where it is; it is started where it is not there. Raises OSError and EOFError."""
        with self._lock:
            if not self._child.is_there:
                if self._address:
                    log.error("the process that has the engine ended; it is started again")
                self._address = self._child.launch(main).recv()
            return self._address

    def stop(self, for_good: bool = False) -> None:
        self._child.is_over = for_good
        self._child.stop()


def main(service: Connection) -> None:
    """Be the process that has the engine, until the service hangs up."""
    leave_signals_to_service()
    key = multiprocessing.current_process().authkey
    # On Linux an address that leaves no file behind, whatever ends the process.
    address = "\0bshm-" + secrets.token_hex(16) if sys.platform == "linux" else None
    with Listener(address, backlog=BACKLOG, authkey=key) as listener:
        service.send(listener.address)
        threading.Thread(target=_end_with, args=(service,), daemon=True).start()
        Host().serve(listener)


def _end_with(service: Connection) -> None:
    with contextlib.suppress(EOFError, OSError):
        service.recv()
    os._exit(0)
