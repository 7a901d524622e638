"""How many are let in: a bounded house, and a refusal at once when it is full.

A request takes a slot when its headers are read, before its body is. Who sends or takes slowly
stands aside after `SLOW_S`, so that a few slow ones do not keep everybody out; what they hold in
memory stays counted. Probes, metrics and the page take no slot.
"""

from __future__ import annotations

import math
import time

from bshm.serve.refusal import Refusal

SLOW_S = 2.0  # seconds in which a body usually arrives
MAX_ASIDE = 256  # requests: beyond as many slow ones, nobody new is let in
TYPICAL_S = 0.3  # seconds: work on one photo, until some was measured


class Admission:
    """Counts who is in the house. For one event loop; not safe in threads.

    capacity: requests that may wait or be worked on
    crew: how many of them at once
    max_held: bytes of requests and answers, all together
    """

    def __init__(self, capacity: int, crew: int, max_held: int) -> None:
        self.capacity, self.crew, self.max_held = capacity, crew, max_held
        self.inside = 0
        self.aside = 0
        self.held = 0
        self.work_s = TYPICAL_S

    def enter(self) -> Slot:
        """A slot, or Refusal."""
        if self.inside >= self.capacity or self.aside >= MAX_ASIDE or self.held >= self.max_held:
            raise self.overloaded()
        return Slot(self)

    def worked(self, seconds: float) -> None:
        """Learn how long work takes, for `overloaded` to say when to come back."""
        self.work_s += 0.1 * (seconds - self.work_s)

    def overloaded(self) -> Refusal:
        wait = self.work_s * self.inside / self.crew
        reason = "the service is busy; try again later"
        return Refusal(429, "overloaded", reason, retry_after_s=max(1, math.ceil(wait)))


class Slot:
    """What one request takes up. A context manager: whatever ends the request frees it."""

    def __init__(self, house: Admission) -> None:
        self.house = house
        self.since = time.monotonic()
        self.is_aside = False
        self.bytes = 0
        house.inside += 1

    def hold(self, size: int) -> None:
        """Count bytes that came, or raise Refusal where they are too many for the house."""
        if self.house.held + size > self.house.max_held:
            raise self.house.overloaded()
        self.keep(size)

    def keep(self, size: int) -> None:
        """Count bytes that are there already, such as an answer."""
        self.house.held += size
        self.bytes += size

    def let_go(self) -> None:
        """The bytes counted so far are no longer held."""
        self.house.held -= self.bytes
        self.bytes = 0

    def step_aside(self) -> None:
        """Give the slot up, and stay."""
        if not self.is_aside:
            self.is_aside = True
            self.house.inside -= 1
            self.house.aside += 1

    def step_back(self) -> None:
        """Take a slot again, or raise Refusal."""
        if self.is_aside:
            if self.house.inside >= self.house.capacity:
                raise self.house.overloaded()
            self.is_aside = False
            self.house.inside += 1
            self.house.aside -= 1

    def __enter__(self) -> Slot:
        return self

    def __exit__(self, *_: object) -> None:
        self.let_go()
        if self.is_aside:
            self.house.aside -= 1
        else:
            self.house.inside -= 1
