"""The workers, and who waits for one: first come, first served."""

from __future__ import annotations

import asyncio
import logging
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Callable, TypeVar

from bshm.errors import BshmError
from bshm.serve import worker
from bshm.serve.processes import Child, answer_of
from bshm.serve.refusal import Refusal
from bshm.serve.shared import Shared

if TYPE_CHECKING:
    from bshm.serve.order import Made, Order

log = logging.getLogger("bshm.serve")

START_S = 120.0  # seconds in which a worker loads its weights, of slow disks and GPUs, too
AGAIN_S = 5.0  # seconds until a worker that does not start is tried again
# What holds for the processes, unless it is set: each arena of glibc keeps what it was given, and
# by default there are eight a core; OpenBLAS starts a thread a core, and nobody here asks it.
ENVIRONMENT = {"MALLOC_ARENA_MAX": "2", "OPENBLAS_NUM_THREADS": "1"}
T = TypeVar("T")


class Crew:
    """Worker processes. `launch` may be called before the event loop runs; the rest is for it.

    count: how many there will be; work_s: longest work on one order
    shares: whether they share one engine, as on a GPU, instead of having one each
    working: how many there are, idle or busy
    """

    def __init__(
        self, count: int, outfit: worker.Outfit, work_s: float, shares: bool = False
    ) -> None:
        self.count, self.work_s = count, work_s
        self.working = 0
        self.weights = ""
        self._shared = Shared() if shares else None
        self._workers = [_Worker(outfit, self._shared) for _ in range(count)]
        self._threads = ThreadPoolExecutor(count, "bshm-worker")
        self._idle: asyncio.Queue[_Worker] = asyncio.Queue()
        self._under_way: set[asyncio.Future] = set()

    def launch(self) -> None:
        """Start the first process, and do not wait for it."""
        for name, value in ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        self._first = self._threads.submit(self._workers[0].start)

    async def ready(self) -> None:
        """Wait until a first worker has done a first photo; then the others start.

        They would keep each other from the processor. Raises BshmError where the first cannot.
        """
        first, *others = self._workers
        try:
            self.weights = await asyncio.wrap_future(self._first)
        except (EOFError, OSError, _TooLong) as error:
            reason = "a worker process ended, or did not start in %g s" % START_S
            raise BshmError(reason, code="unexpected") from error
        self._join(first)
        for one in others:
            self._keep(asyncio.ensure_future(self._start(one)))

    async def _start(self, one: _Worker) -> None:
        """Start a worker, anew if it was there, and let it join when it has done a first photo."""
        while True:
            try:
                await self._aside(one.start)
                break
            except Exception as error:  # whatever it is, the service is not to be one worker short
                if one.is_over:
                    return
                log.exception("a worker does not start; the next try is in %g s", AGAIN_S)
                if self._shared and isinstance(error, _TooLong):  # it may hang where all go
                    await self._aside(self._shared.stop)
                await asyncio.sleep(AGAIN_S)
        self._join(one)

    def _join(self, one: _Worker) -> None:
        self.working += 1
        self._idle.put_nowait(one)

    async def turn(self, wait_s: float) -> _Worker:
        """A free worker, to be given to `work` at once. Raises Refusal where none is in time."""
        try:
            return await asyncio.wait_for(self._next(), wait_s)
        except asyncio.TimeoutError as error:
            reason = "no worker was free in time; try again later"
            raise Refusal(503, "overloaded", reason, retry_after_s=5) from error

    async def _next(self) -> _Worker:
        """A free worker; one that died while it was free is started again."""
        while True:
            one = await self._idle.get()
            if one.is_there:
                return one
            self._replace(one)

    async def work(self, one: _Worker, order: Order) -> Made:
        """What a worker makes of an order; then it is free again.

        Cancelled, this ends, and the worker finishes. Raises BshmError, and Refusal where the
        worker takes too long, or dies. Whatever else is raised, the worker is started again.
        """
        task = asyncio.ensure_future(self._work(one, order))
        self._keep(task)
        return await asyncio.shield(task)

    async def _work(self, one: _Worker, order: Order) -> Made:
        try:
            made = await self._aside(lambda: one.do(order, self.work_s))
        except BshmError:
            self._idle.put_nowait(one)
            raise
        except _TooLong as error:
            self._replace(one)
            raise Refusal(503, "timeout", "the photo took too long") from error
        except (EOFError, OSError) as error:
            self._replace(one)
            raise Refusal(500, "worker_died", "the photo could not be worked on") from error
        except Exception:  # an order, or half an answer, may be in its pipe
            self._replace(one)
            raise
        self._idle.put_nowait(one)
        return made

    def _replace(self, one: _Worker) -> None:
        """Start a worker again, and do not wait for it."""
        log.error("a worker (exit code %s) is started again", one.exit_code)
        self.working -= 1
        self._keep(asyncio.ensure_future(self._start(one)))

    def _keep(self, task: asyncio.Future) -> None:
        """Hold a reference to a task while it runs; the event loop holds none."""
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _aside(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    def stop(self) -> None:
        """End the processes, whatever they do, for good."""
        for one in self._workers:
            one.is_over = True
            one.stop()
        if self._shared:
            self._shared.stop(for_good=True)
        self._threads.shutdown(wait=False)


class _TooLong(Exception):
    """A worker did not answer in time."""


class _Worker(Child):
    """One process, that works on orders."""

    def __init__(self, outfit: worker.Outfit, shared: Shared | None) -> None:
        super().__init__()
        self._outfit, self._shared = outfit, shared

    def start(self) -> str:
        """The name of its weights, once it has done a first photo; the process before is ended.

        Raises BshmError; _TooLong; EOFError or OSError where it dies.
        """
        address = self._shared.address() if self._shared else ""
        self.launch(worker.main, self._outfit, address)
        return self._answer(START_S)

    def do(self, order: Order, within_s: float) -> Made:
        """Raises BshmError; _TooLong; EOFError or OSError where the process died."""
        assert self.pipe
        self.pipe.send(order)
        return self._answer(within_s)

    def _answer(self, within_s: float) -> Any:
        assert self.pipe
        if not self.pipe.poll(within_s):
            raise _TooLong
        return answer_of(self.pipe)
