"""A few hundred hostile requests; `benchmarks/hostile.py` sends many more of them."""

from __future__ import annotations

from benchmarks.hostile import attack
from tests.serve.running import serving


def test_none_is_answered_500_and_none_ends_the_service():
    patient = ("--wait-s", 600, "--work-s", 600)  # else a busy machine would answer 503
    with serving("--receive-s", 1, "--max-pixels", 2, "--queue", 16, *patient) as service:
        statuses, wrong = attack(service, seed=7, count=300)
        assert not wrong and sum(statuses.values()) == 300
        assert statuses[400] > 50 and statuses[200]
        assert service.get("/livez") == (200, "ok\n")
        assert all(line.startswith("{") for line in service.lines[1:])  # and fills no log
