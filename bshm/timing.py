"""Where the time of a photo goes: stages measure themselves, whoever wants to know collects.

>>> with collect() as timings:
...     matting.alpha(rgb)
>>> timings
{'forward': 114.0, 'refine': 43.2}
"""

from __future__ import annotations

import contextlib
import time
from contextvars import ContextVar
from typing import Dict, Iterator

STAGES = ("load", "read", "forward", "refine", "foreground", "scene", "write")

Timings = Dict[str, float]  # milliseconds by stage; a stage that runs twice adds up

_collected: ContextVar[Timings | None] = ContextVar("timings", default=None)


@contextlib.contextmanager
def collect(timings: Timings | None = None) -> Iterator[Timings]:
    """Collect the stages that run meanwhile in this thread, into ``timings`` if given."""
    timings = {} if timings is None else timings
    token = _collected.set(timings)
    try:
        yield timings
    finally:
        _collected.reset(token)


@contextlib.contextmanager
def measure(stage: str) -> Iterator[None]:
    """Add the time spent inside to a stage, if anybody collects."""
    timings = _collected.get()
    start = time.perf_counter()
    try:
        yield
    finally:
        if timings is not None:
            timings[stage] = timings.get(stage, 0.0) + (time.perf_counter() - start) * 1000
