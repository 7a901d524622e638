"""What became of the photos of a run, said on stdout and stderr, and the exit code."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from bshm.cli import terminal
from bshm.timing import STAGES, Timings

if TYPE_CHECKING:
    from bshm.batch.run import Result

VISIBLE_LINES = 20  # lines of a terminal that are surely in sight
UNMET = {  # why a wish of a scene is not met
    "shadow": "nobody stands in the frame, so no shadow falls; drop and auto need no ground",
    "position": "cut off by an edge of the photo, people stay there, and --position moves nobody",
}


class Report:
    """What became of the photos so far, said on stdout and stderr."""

    def __init__(self, args: argparse.Namespace, jobs: int | None) -> None:
        """jobs: how many there are; None where nobody knows."""
        self.args = args
        self.bar = terminal.progress(jobs, args.quiet)
        self.counts = {"done": 0, "skipped": 0, "failed": 0}
        self.empty = 0
        self.total: Timings = {}
        self.failures: list[str] = []  # the first ones

    def tell(self, result: Result) -> None:
        """Tell what became of one photo."""
        status = result.status.value
        self.counts[status] += 1
        for stage, spent in result.timings.items():
            if status == "done" or stage == "load":
                self.total[stage] = self.total.get(stage, 0.0) + spent
        if result.error and len(self.failures) < VISIBLE_LINES:
            self.failures.append(terminal.with_hint(result.error))
        if _is_empty(result):
            self.empty += 1
        if status != "skipped" or self.args.json or self.args.verbose:
            with self.bar.aside():
                self._print(result)
        self.bar.update()

    def _print(self, result: Result) -> None:
        if result.error:
            terminal.say(terminal.with_hint(result.error))
        if _is_empty(result) and (self.args.fail_empty or not self.args.quiet):
            name = result.job.source.name
            terminal.say("%s: nobody was found, the cutout is empty" % name)
        elif not self.args.quiet:
            for wish in result.unmet:
                terminal.say("%s: %s" % (result.job.source.name, UNMET[wish]))
        if self.args.json:
            terminal.print_text(json.dumps(record(result)))
        elif result.status.value == "done" and result.job.output is not None:
            for path in filter(None, (result.job.output, result.job.matte)):
                terminal.print_path(path, "\0" if self.args.null else "\n")
        elif result.status.value == "skipped" and self.args.verbose:
            terminal.say("%s: already done" % result.job.source.name)

    def sum_up(self, jobs: int) -> int:
        """Tell where the time went, if that was asked, and what became of all; the exit code."""
        if self.args.timing and self.total:
            _print_timing(self.total, self.counts["done"])
        left = jobs - sum(self.counts.values())
        if left:
            tally = "%(done)d done, %(failed)d failed" % self.counts
            advice = "make room, then go on with --skip-existing"
            terminal.say("stopped: %s, %d left; %s" % (tally, left, advice))
        elif jobs > 1 and not self.args.quiet:
            if jobs > VISIBLE_LINES:  # the lines above are long out of sight
                self._say_again()
            tally = "%(done)d done, %(skipped)d skipped, %(failed)d failed" % self.counts
            terminal.say(tally + (", %d of them empty" % self.empty if self.empty else ""))
        failed = self.counts["failed"] or left or (self.args.fail_empty and self.empty)
        return terminal.FAILED if failed else terminal.OK

    def _say_again(self) -> None:
        for line in self.failures:
            terminal.say("failed: " + line)
        if self.counts["failed"] > len(self.failures):
            more = self.counts["failed"] - len(self.failures)
            terminal.say("failed: %d more, named above" % more)


def _is_empty(result: Result) -> bool:
    """Whether nobody was found on a photo that was matted."""
    return result.status.value == "done" and result.box is None


def record(result: Result) -> dict[str, Any]:
    """The line of --json."""
    output, source = result.job.output, result.job.source
    record: dict[str, Any] = {
        # A path as it is, to be opened; an address without its password.
        "input": str(source.path) if source.path else source.name,
        "output": None if output is None or result.error else str(output),
        "status": result.status.value,
    }
    if result.job.matte:
        record["matte"] = None if result.error else str(result.job.matte)
    if result.width:
        record.update(width=result.width, height=result.height)
        record.update(input_width=result.input_width, input_height=result.input_height)
        record["coverage"] = round(result.coverage, 4)
        record["box"] = result.box and result.box._asdict()
    if any(result.grown):
        record["grown"] = list(result.grown)
    if result.unmet:
        record["unmet"] = list(result.unmet)
    if result.head:
        record["head"] = {name: _rounded(value) for name, value in result.head._asdict().items()}
    if result.error:
        record["error"] = terminal.with_hint(result.error)
    record["ms"] = {stage: round(spent, 1) for stage, spent in result.timings.items()}
    return record


def _rounded(value: float) -> float:
    return value if isinstance(value, bool) else round(value, 1)


def _print_timing(total: Timings, photos: int) -> None:
    terminal.say("%-12s %10s" % ("stage", "ms" if photos <= 1 else "ms a photo"))
    for stage in STAGES:
        if stage in total:
            spent = total[stage] / (1 if stage == "load" else max(1, photos))
            terminal.say("%-12s %10.1f" % (stage, spent))
