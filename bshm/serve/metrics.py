"""What is counted, for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from bshm.serve.admission import Admission
from bshm.serve.crew import Crew
from bshm.serve.order import Made

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Metrics:
    """The counters of one service."""

    def __init__(self, house: Admission, crew: Crew) -> None:
        self._registry = registry = CollectorRegistry()
        self._requests = Counter(
            "bshm_requests", "Requests answered", ["endpoint", "status"], registry=registry
        )
        self._seconds = Histogram(
            "bshm_request_seconds",
            "From the head of a request to the end of its answer",
            ["endpoint"],
            buckets=SECONDS,
            registry=registry,
        )
        self._wait = Histogram(
            "bshm_queue_wait_seconds", "Waited for a worker", buckets=SECONDS, registry=registry
        )
        self._stages = Histogram(
            "bshm_stage_seconds",
            "Work on one photo, by stage",
            ["stage"],
            buckets=SECONDS,
            registry=registry,
        )
        self._pixels = Counter("bshm_pixels", "Pixels of the photos done", registry=registry)
        self._refused = Counter(
            "bshm_refused", "Requests refused, by reason", ["code"], registry=registry
        )
        self.queue = self._gauge("bshm_queue_length", "Requests that wait for a worker")
        self.busy = self._gauge("bshm_workers_busy", "Workers that work")
        alive = self._gauge("bshm_workers", "Worker processes that work, or wait for work")
        alive.set_function(lambda: crew.working)
        self._gauge("bshm_inside", "Requests let in").set_function(lambda: house.inside)
        aside = self._gauge("bshm_aside", "Requests let in that send or take slowly")
        aside.set_function(lambda: house.aside)
        held = self._gauge("bshm_held_bytes", "Requests and answers in memory")
        held.set_function(lambda: house.held)

    def _gauge(self, name: str, help: str) -> Gauge:
        return Gauge(name, help, registry=self._registry)

    def answered(self, endpoint: str, status: int, seconds: float) -> None:
        self._requests.labels(endpoint, str(status)).inc()
        self._seconds.labels(endpoint).observe(seconds)

    def refused(self, code: str) -> None:
        self._refused.labels(code).inc()

    def waited(self, seconds: float) -> None:
        self._wait.observe(seconds)

    def made(self, made: Made) -> None:
        self._pixels.inc(made.photo_pixels)
        for stage, spent_ms in made.timings.items():
            self._stages.labels(stage).observe(spent_ms / 1000)

    def text(self) -> bytes:
        """All of it, as Prometheus reads it."""
        return generate_latest(self._registry)
