"""``bshm cut``, or ``bshm`` alone: cut people out of photos."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from bshm.cli import network, signals, terminal
from bshm.cli.cut_flags import SAMPLE, build_parser, parse
from bshm.errors import BshmError
from bshm.timing import STAGES, Timings

if TYPE_CHECKING:
    from bshm.batch.outputs import Job
    from bshm.batch.run import Result
    from bshm.matting import Matting
    from bshm.pipeline import Recipe

VISIBLE_LINES = 20  # lines of a terminal that are surely in sight


def run(arguments: list[str]) -> int:
    """Cut out the photos that the arguments name; the exit code."""
    parser = build_parser()
    args = parse(parser, arguments)
    args.verbose = terminal.verbose(args.verbose)
    terminal.check_installation()
    from bshm.pipeline import Recipe

    recipe = Recipe(only_alpha=args.only_alpha, max_pixels=int(args.max_pixels * 1e6))
    return _run(args, _plan(args, parser), recipe)


def _plan(args: argparse.Namespace, parser: argparse.ArgumentParser) -> list[Job]:
    """The photos that are named, and where the cutout of each goes."""
    from bshm.batch import outputs, sources

    photos = sources.expand(args.photos or [_sample()], args.recursive)
    if args.output is None:
        return list(outputs.plan(photos, Path(args.output_dir)))
    if len(photos) != 1:
        parser.error("-o takes one photo, got %d; use -d for several" % len(photos))
    if args.output.endswith(("/", os.sep)):
        parser.error("-o takes a file, got the folder %s; use -d for folders" % args.output)
    ending = os.path.splitext(args.output)[1].lower()
    if ending != ".png" and ending in sources.EXTENSIONS:
        parser.error("-o writes a PNG, got %s; name it .png" % args.output)
    if args.output != "-":
        path = Path(args.output)
        return [outputs.to_file(photos[0], path, may_replace_foreign_file=True)]
    if args.json:
        parser.error("-o - and --json both want stdout; write the PNG to a file")
    return [outputs.Job(photos[0], terminal.write_stdout)]


def _sample() -> str:
    """The default input: in the current folder, else beside the script, for cron jobs."""
    beside = Path(sys.argv[0]).resolve().parent / SAMPLE
    return str(beside) if not Path(SAMPLE).exists() and beside.exists() else SAMPLE


def _run(args: argparse.Namespace, jobs: list[Job], recipe: Recipe) -> int:
    from bshm.batch.run import run_all

    report = _Report(args, len(jobs))

    def load_matting() -> Matting:
        with report.bar.aside():
            return network.load(args)

    with signals.terminable() as stop_if_asked:
        try:
            run_all(jobs, load_matting, report.tell, recipe, args.skip_existing, stop_if_asked)
            report.bar.close()
        except KeyboardInterrupt:
            report.bar.close()
            left = len(jobs) - sum(report.counts.values())
            advice = "; go on with --skip-existing" if left else ""
            terminal.say("interrupted: %d done, %d left%s" % (report.counts["done"], left, advice))
            _leave(signals.INTERRUPTED)
        except BshmError as error:
            report.bar.close()
            terminal.say(terminal.with_hint(error))
            _leave(terminal.FAILED)
    report.sum_up(len(jobs))
    return terminal.FAILED if report.counts["failed"] else terminal.OK


def _leave(code: int) -> NoReturn:
    """Exit at once: a download may still block in its thread, and nothing else is under way."""
    os._exit(code)


class _Report:
    """What became of the photos so far, said on stdout and stderr."""

    def __init__(self, args: argparse.Namespace, jobs: int) -> None:
        self.args = args
        self.bar = terminal.progress(jobs, args.quiet)
        self.counts = {"done": 0, "skipped": 0, "failed": 0}
        self.total: Timings = {}
        self.failures: list[str] = []

    def tell(self, result: Result) -> None:
        """Tell what became of one photo."""
        status = result.status.value
        self.counts[status] += 1
        for stage, spent in result.timings.items():
            if status == "done" or stage == "load":
                self.total[stage] = self.total.get(stage, 0.0) + spent
        if result.error:
            self.failures.append(terminal.with_hint(result.error))
        if status != "skipped" or self.args.json or self.args.verbose:
            with self.bar.aside():
                self._print(result)
        self.bar.update()

    def _print(self, result: Result) -> None:
        if result.error:
            terminal.say(self.failures[-1])
        if self.args.json:
            terminal.print_line(json.dumps(_record(result)))
        elif result.status.value == "done" and result.job.output is not None:
            terminal.print_line(str(result.job.output))
        elif result.status.value == "skipped" and self.args.verbose:
            terminal.say("%s: already done" % result.job.source.name)

    def sum_up(self, jobs: int) -> None:
        """Tell where the time went, if that was asked, and what became of all photos."""
        if self.args.timing and self.total:
            _print_timing(self.total, self.counts["done"])
        if jobs > 1 and not self.args.quiet:
            if jobs > VISIBLE_LINES:  # the lines above are long out of sight
                self._say_again()
            terminal.say("%(done)d done, %(skipped)d skipped, %(failed)d failed" % self.counts)

    def _say_again(self) -> None:
        for line in self.failures[:VISIBLE_LINES]:
            terminal.say("failed: " + line)
        if len(self.failures) > VISIBLE_LINES:
            terminal.say("failed: %d more, named above" % (len(self.failures) - VISIBLE_LINES))


def _record(result: Result) -> dict[str, Any]:
    """The line of --json."""
    output, source = result.job.output, result.job.source
    record: dict[str, Any] = {
        # A path as it is, to be opened; an address without its password.
        "input": str(source.path) if source.path else source.name,
        "output": None if output is None or result.error else str(output),
        "status": result.status.value,
    }
    if result.width:
        record.update(width=result.width, height=result.height)
    if result.error:
        record["error"] = terminal.with_hint(result.error)
    record["ms"] = {stage: round(spent, 1) for stage, spent in result.timings.items()}
    return record


def _print_timing(total: Timings, photos: int) -> None:
    terminal.say("%-12s %10s" % ("stage", "ms" if photos <= 1 else "ms a photo"))
    for stage in STAGES:
        if stage in total:
            spent = total[stage] / (1 if stage == "load" else max(1, photos))
            terminal.say("%-12s %10.1f" % (stage, spent))
