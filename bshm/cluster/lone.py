"""Photos that take their worker with them: each in a process of its own, which may die of it.

A decoder that crashes, or memory that runs out, ends the worker, and Ray begins the shard again,
for ever. So it is noted how often a shard was begun, and when that is too often, its photos are
done where one that kills its process fails alone.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import socket
from multiprocessing.connection import Connection
from typing import Any, Iterator

from bshm.batch import outputs
from bshm.batch.outputs import Job, Output, OverwriteGuard
from bshm.batch.run import Result, Status, do_one
from bshm.cluster import parts
from bshm.cluster.plan import Plan
from bshm.errors import BshmError, OutputError, WeightsError
from bshm.matting import AlphaMatting
from bshm.model import weights


def load(plan: Plan) -> AlphaMatting:
    """What a plan's photos are matted with. Raises WeightsError where its weights are not here."""
    matting = AlphaMatting(
        weights=plan.weights, device=plan.device, engine=plan.engine, threads=plan.threads
    )
    if weights.sha256(matting.weights.path) != plan.sha256:
        reason = "the weights %s on %s are not those of the plan"
        raise WeightsError(reason % (plan.weights, socket.gethostname()), code="other_weights")
    return matting


class Tries:
    """How often a shard was begun and not ended, noted beside the report."""

    def __init__(self, folder: Output, key: str) -> None:
        self.note = folder / ("_" + key)  # readers of Parquet pass over such names

    def begin(self) -> int:
        """Note another one; how many there are with it. Raises BshmError."""
        tries = len(parts.data(self.note)) + 1
        outputs.write_file(self.note, b"." * tries, may_replace_foreign=True)
        return tries

    def end(self) -> None:
        """The shard is done."""
        with contextlib.suppress(OSError, OutputError):  # who may write may not always remove
            parts.remove(self.note)


def run(plan: Plan, jobs: list[Job], recipes: list[Any], guard: OverwriteGuard) -> Iterator[Result]:
    """What becomes of each photo; one that ends its process failed, code ``worker_lost``.

    Raises BshmError where this machine cannot work as the plan says.
    """
    with contextlib.ExitStack() as stack:
        pipe: Connection | None = None
        for job, recipe in zip(jobs, recipes):
            pipe = pipe or stack.enter_context(_process(plan, guard))
            try:
                pipe.send((job, recipe))
                answer = pipe.recv()
            except (EOFError, OSError):
                pipe = None
                reason = "ended the process that worked on it"
                error = BshmError(reason, job.source.name, "worker_lost")
                yield Result(job, Status.FAILED, error=error)
                continue
            if isinstance(answer, BshmError):
                raise answer
            yield answer


@contextlib.contextmanager
def _process(plan: Plan, guard: OverwriteGuard) -> Iterator[Connection]:
    """A process for photos, and the pipe to it."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_main, args=(theirs, plan, guard), daemon=True)
    process.start()
    theirs.close()
    try:
        yield ours
    finally:
        ours.close()
        process.kill()
        process.join()


def _main(pipe: Connection, plan: Plan, guard: OverwriteGuard) -> None:
    """Answer each photo with its result, until nobody asks any more."""
    plan.go_home()
    matting = None
    while True:
        try:
            job, recipe = pipe.recv()
        except (EOFError, OSError):
            return
        try:
            matting = matting or load(plan)
            pipe.send(do_one(job, matting, recipe, guard=guard))
        except BshmError as error:
            pipe.send(error)
