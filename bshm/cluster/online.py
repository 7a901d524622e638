"""The service on Ray Serve: ``serve run bshm.cluster:deployment``.

Each replica is the whole of `bshm.serve`: the same contracts, admission and limits, with settings
from the same variables (``BSHM_KEYS=...``). It has one worker process, or a GPU and several, whose
photos go through its one session at once (`bshm.serve.shared`). Ray's proxy takes the connections
and chooses a replica; replicas come and go with what waits at them. Rates and places in the house
are a replica's own.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import os

from ray import serve

from bshm.errors import BshmError
from bshm.serve.app import build
from bshm.serve.crew import Crew
from bshm.serve.edge import Edge
from bshm.serve.service import Service
from bshm.serve.settings import Settings, from_environment
from bshm.serve.worker import Outfit

GPU_WORKERS = 4  # of a replica with a GPU, if nothing is said: as many CPUs come with small GPUs
# Requests at a worker, in the mean, above which there are to be more replicas: the one that is
# worked on and the next.
TARGET = 2
MOST = 1000  # replicas; how many there can be, the cluster says
PROBES = 32  # requests that a replica takes beyond those that wait: probes, pages, refusals

log = logging.getLogger("bshm.serve")


def _settings() -> Settings:
    """Those of the environment; where they say no number of workers, with that of a replica."""
    settings = from_environment(os.environ)
    workers = settings.workers or (GPU_WORKERS if settings.is_on_gpu else 1)
    return dataclasses.replace(settings, workers=workers)


def _app(settings: Settings, shares: bool) -> Edge:
    """The application of one replica, built where that runs."""
    outfit = Outfit(settings.weights, settings.device, settings.engine, settings.threads)
    crew = Crew(settings.crew, outfit, settings.work_s, shares)
    service = Service(settings, crew)
    crew.launch()

    async def warm_up() -> None:
        try:
            await crew.ready()
        except BshmError:
            log.exception("no worker starts")
            os._exit(1)  # Ray says so, and tries again

    return build(service, lambda: asyncio.ensure_future(warm_up()), crew.stop)


def _deployment() -> serve.Application:
    settings = _settings()
    on_gpu = settings.is_on_gpu

    def app() -> Edge:
        # The variables are those of whoever deploys, not of each machine.
        return _app(settings, on_gpu)

    @serve.deployment(
        name="bshm",
        ray_actor_options={
            "num_cpus": settings.crew * settings.threads,
            "num_gpus": int(on_gpu),
        },
        # Who comes when the house is full is refused by the house, in the contract's words.
        max_ongoing_requests=settings.crew + settings.waiting + PROBES,
        autoscaling_config={
            "min_replicas": 1,
            "max_replicas": MOST,
            "target_ongoing_requests": TARGET * settings.crew,
        },
    )
    @serve.ingress(app)
    class Replica:
        pass

    return Replica.bind()  # type: ignore[attr-defined]


deployment = _deployment()
