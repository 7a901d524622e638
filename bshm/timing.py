"""Where the time of a photo goes."""

from __future__ import annotations

import contextlib
import time
from typing import Dict, Iterator

STAGES = ("load", "read", "forward", "refine", "foreground", "write")


class Timings(Dict[str, float]):
    """Milliseconds by stage; a stage that runs twice adds up."""

    @contextlib.contextmanager
    def measure(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self[stage] = self.get(stage, 0.0) + (time.perf_counter() - start) * 1000
