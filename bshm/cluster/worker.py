"""An actor: it loads the weights once, then does one shard after the other."""

from __future__ import annotations

import pickle
import socket
from typing import Any

from bshm import __version__
from bshm.batch.outputs import Job, OverwriteGuard
from bshm.batch.run import Result, Status, run_all
from bshm.cluster import lone, parts, tars
from bshm.cluster.lone import load
from bshm.cluster.plan import Plan, Shard
from bshm.errors import BshmError, OutputError
from bshm.matting import AlphaMatting

# Times that a shard is begun as usual. Machines leave now and then; where that was not it, a photo
# took its worker with it.
TRIES = 3
SETTLED = (Status.DONE.value, Status.SKIPPED.value)  # what is not done again: of skipped, no photo


class Worker:
    """Does the shards of a plan, on the CPUs or the GPU that its actor has.

    Raises BshmError where this machine cannot work as the plan says.
    """

    def __init__(self, plan: Plan) -> None:
        if plan.version != __version__:
            reason = "%s has bshm %s, and the plan is of %s: install the same everywhere"
            reason %= (socket.gethostname(), __version__, plan.version)
            raise BshmError(reason, code="other_version")
        self.plan = plan
        self._matting: AlphaMatting | None = None

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """A row with a pickled `Shard` -> a row with the pickled `Result` of each photo."""
        shard = pickle.loads(row["shard"])
        return {"key": shard.key, "results": pickle.dumps(self.do(shard))}

    def do(self, shard: Shard) -> list[Result]:
        """Do the photos that are not done, and write the shard's part of the report."""
        self.plan.go_home()
        part = parts.part(self.plan.report, shard.key)
        recipes = [self.plan.recipe(shard.first + place) for place in range(len(shard.jobs))]
        states = [self.plan.state(job, recipe) for job, recipe in zip(shard.jobs, recipes)]
        known = {row["state"]: row for row in parts.read(part)} if self.plan.skip_existing else {}
        done = [state in known and known[state]["status"] in SETTLED for state in states]
        results = [Result(job, Status.SKIPPED) for job in shard.jobs]
        if all(done) and len(known) == len(done):  # no photo is gone either
            return results
        if self.plan.tars:  # of a tar file nothing can be replaced
            done = [False] * len(done)
        todo = [place for place, is_done in enumerate(done) if not is_done]
        tries = lone.Tries(self.plan.report, shard.key)
        pairs = [(shard.jobs[place], recipes[place]) for place in todo]
        for place, made in zip(todo, self._make(shard, pairs, tries.begin() > TRIES)):
            results[place] = made
        parts.write(
            part,
            (
                known[state] if done[place] else parts.row(results[place], state)
                for place, state in enumerate(states)
            ),
        )
        tries.end()
        return results

    def _make(self, shard: Shard, todo: list[tuple[Job, Any]], apart: bool) -> list[Result]:
        if not todo:
            return []
        jobs, recipes = [job for job, _ in todo], [recipe for _, recipe in todo]
        if not self.plan.tars:
            return self._run(jobs, recipes, apart, self.plan.guard(shard))
        with tars.room() as folder:
            samples = list(tars.samples(jobs, folder))
            local = [sample.local for sample in samples]
            made = self._run(local, recipes, apart, OverwriteGuard(local))
            return tars.pack(self.plan.tar(shard.key), zip(samples, made), folder)

    def _run(
        self, jobs: list[Job], recipes: list[Any], apart: bool, guard: OverwriteGuard
    ) -> list[Result]:
        """Raises OutputError where a disk is full: it ends the job, as it ends a run."""
        if apart:
            return list(lone.run(self.plan, jobs, recipes, guard))
        results: list[Result] = []
        run_all(jobs, self._load, results.append, recipes, guard=guard)
        if len(results) < len(jobs):
            raise results[-1].error or OutputError("the disk is full", code="disk_full")
        return results

    def _load(self) -> AlphaMatting:
        if self._matting is None:
            self._matting = load(self.plan)
        return self._matting
