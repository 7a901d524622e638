"""The job on Ray Data: a listing that is a stream of shards, a pool of actors, a stream of results.

What Ray promises is used as it is: a task whose worker or node is lost runs again elsewhere, as
often as it takes, an actor that is lost is started again, and a stream waits for whoever takes it.
"""

from __future__ import annotations

import logging
import os
import pickle
import re
import socket
from dataclasses import dataclass
from typing import Any, Iterator

from bshm.batch.outputs import Output
from bshm.batch.run import Result
from bshm.cluster import parts
from bshm.cluster.plan import Plan
from bshm.cluster.worker import Worker
from bshm.errors import BshmError, OutputError, lacks_memory, root_cause

log = logging.getLogger("bshm")

CONNECT_S = 10  # seconds in which a cluster's address answers
STORE_BYTES = 100_000_000  # of Ray's memory for objects on one machine: names pass, not pixels


@dataclass(frozen=True)
class Pool:
    """Who works: as many actors as fit, or a number of them; CPUs and a share of a GPU of each."""

    actors: int
    cpus: int
    gpus: float


def connect(address: str, cpus: int, verbose: bool) -> None:
    """Join a cluster; where no address is known, start one of this machine alone.

    Raises BshmError, code ``no_cluster``.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nobody is told that we run
    import ray
    import ray.data  # makes its logger speak

    address = address or os.environ.get("RAY_ADDRESS", "")
    options: dict[str, Any] = {"log_to_driver": verbose, "logging_level": _level(verbose)}
    if not address:
        address = "local"
        take_cpus()
        options.update(num_cpus=cpus, object_store_memory=STORE_BYTES, include_dashboard=False)
    try:
        named = re.fullmatch(r"(?:ray://)?\[?([^\[\]/]+)\]?:([0-9]{1,5})", address)
        if named:  # Ray would try for minutes
            socket.create_connection((named.group(1), int(named.group(2))), CONNECT_S).close()
        ray.init(address, **options)
    except Exception as error:  # Ray raises that very class where a machine is too slow for it
        log.debug("no cluster", exc_info=error)
        where = "could be started here" if address == "local" else "is at " + address
        reason = "no cluster %s: %s" % (where, root_cause(error))
        raise BshmError(reason, code="no_cluster") from error
    logging.getLogger("ray.data").setLevel(_level(verbose))


def take_cpus() -> None:
    """Let the workers of machines that are started here take their turn as any process does.

    Of itself Ray lets them stand back behind everything else, and beside other work they hardly
    get on.
    """
    os.environ.setdefault("RAY_worker_niceness", "0")


def _level(verbose: bool) -> int:
    return logging.INFO if verbose else logging.CRITICAL


def machines() -> list[dict[str, float]]:
    """What each machine of the cluster has: ``CPU``, ``GPU`` and so on."""
    import ray

    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def run(plan: Plan, pool: Pool, worker: type[Worker] = Worker) -> Iterator[Result]:
    """What becomes of each photo, as it is known; shards come in any order.

    worker: what the actors are

    At the end, the parts of shards are removed that an earlier run cut otherwise. Raises BshmError.
    """
    seen: set[str] = set()
    try:
        for row in _dataset(plan, pool, worker).iter_rows():
            seen.add(row["key"])
            yield from pickle.loads(row["results"])
    except Exception as error:
        raise _ours(error) from error
    tidy(plan, seen)


def _dataset(plan: Plan, pool: Pool, worker: Any) -> Any:
    import ray

    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.raise_original_map_exception = True  # its own wrapping leaves the cause behind
    context.target_max_block_size = 1  # byte: each shard is on its way when it is known

    def list_shards(_: dict) -> Iterator[dict[str, Any]]:
        for shard in plan.shards():
            yield {"shard": pickle.dumps(shard)}

    many: dict[str, Any] = {"size": pool.actors} if pool.actors else {"min_size": 1}
    strategy = ray.data.ActorPoolStrategy(max_tasks_in_flight_per_actor=1, **many)
    return (
        ray.data.from_items([{"plan": 0}])
        .flat_map(list_shards, num_cpus=0)  # a task, which Ray begins again as often as it is lost
        .map(
            worker,
            fn_constructor_args=(plan,),
            compute=strategy,
            num_cpus=pool.cpus,
            num_gpus=pool.gpus,
        )
    )


def _ours(error: Exception) -> BshmError:
    """The error of ours that Ray wrapped into its own, else what to say of Ray's."""
    cause: BaseException | None = error
    while cause is not None:
        # What Ray makes of an error is of the error's own class, too, and has it as its cause.
        within = getattr(cause, "cause", None)
        if isinstance(cause, BshmError) and within is None:  # its text with advice of Ray's
            return type(cause)(_first_line(cause.reason), cause.subject, cause.code)
        cause = within or cause.__cause__
    code = "out_of_memory" if lacks_memory(error) else "unexpected"
    return BshmError("the cluster failed: %s" % root_cause(error), code=code)


def _first_line(reason: str) -> str:
    """A reason as it was: ours have one line, and Ray adds more."""
    return reason.partition("\n")[0]


def tidy(plan: Plan, seen: set[str]) -> None:
    """Remove what only an earlier run of this job has: else a photo might be in two parts.

    seen: the shards that were done

    Raises BshmError, code ``not_shared``, where their parts are not here: they lie on the disks of
    other machines then, and so do the cutouts.
    """
    there = set(parts.keys(plan.report)) if seen else set()
    if seen - there:
        reason = "%d of %d parts of the report are not there: every machine must see this folder"
        reason %= (len(seen - there), len(seen))
        raise BshmError(reason, plan.folder, "not_shared")
    for key in there - seen:
        stale: list[Output] = [parts.part(plan.report, key)]
        if plan.tars:
            stale.insert(0, plan.tar(key))
        for place in stale:
            try:
                parts.remove(place)
            except (OSError, OutputError):
                log.debug("%s stays", place, exc_info=True)
