"""``bshm cut``, or ``bshm`` alone: cut people out of photos."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from bshm.cli import form, network, scene_flags, signals, terminal
from bshm.cli.cut_flags import SAMPLE, build_parser, parse
from bshm.errors import BshmError, lacks_memory
from bshm.timing import STAGES, Timings

if TYPE_CHECKING:
    from bshm.batch.outputs import Job
    from bshm.batch.run import Result
    from bshm.matting import AlphaMatting
    from bshm.pipeline import Recipe

VISIBLE_LINES = 20  # lines of a terminal that are surely in sight


def run(arguments: list[str]) -> int:
    """Cut out the photos that the arguments name; the exit code."""
    parser = build_parser()
    args = parse(parser, arguments)
    args.verbose = terminal.verbose(args.verbose)
    terminal.check_installation()
    recipe = form.recipe(args, parser)
    recipes = scene_flags.read_recipes(args, parser, recipe)
    return work(args, parser, recipes)


def work(args: argparse.Namespace, parser: argparse.ArgumentParser, recipes: list[Recipe]) -> int:
    """Do the photos that the arguments name, each by the next of the recipes; the exit code."""
    jobs = _plan(args, parser, recipes[0])
    with terminal.alone_on_stderr(args.verbose):
        return _run(args, jobs, recipes)


def _plan(args: argparse.Namespace, parser: argparse.ArgumentParser, recipe: Recipe) -> list[Job]:
    """The photos that are named, and where the cutout of each goes."""
    from bshm.batch import outputs, sources

    photos = sources.expand(args.photos or [_sample()], args.recursive)
    if args.output is None:
        folder, name = Path(args.output_dir), form.stem(args.name)
        return list(outputs.plan(photos, folder, name, recipe.format, args.both, args.force))
    if len(photos) != 1:
        parser.error("-o takes one photo, got %d; use -d for several" % len(photos))
    if args.output.endswith(("/", os.sep)):
        parser.error("-o takes a file, got the folder %s; use -d for folders" % args.output)
    if args.output != "-":
        path = Path(args.output)
        matte = path.with_name(path.stem + outputs.MATTE_ENDING) if args.both else None
        return [outputs.to_file(photos[0], path, True, matte, args.force)]
    if args.json:
        parser.error("-o - and --json both want stdout; write the picture to a file")
    return [outputs.Job(photos[0], terminal.write_stdout)]


def _sample() -> str:
    """The default input: in the current folder, else beside the script, for cron jobs."""
    beside = Path(sys.argv[0]).resolve().parent / SAMPLE
    return str(beside) if not Path(SAMPLE).exists() and beside.exists() else SAMPLE


def _run(args: argparse.Namespace, jobs: list[Job], recipes: list[Recipe]) -> int:
    from bshm.batch.run import run_all

    report = _Report(args, len(jobs))

    def load_matting() -> AlphaMatting:
        with report.bar.aside():
            return network.load(args)

    with signals.terminable() as stop_if_asked:
        try:
            run_all(jobs, load_matting, report.tell, recipes, args.skip_existing, stop_if_asked)
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
        except (MemoryError, RuntimeError) as error:  # between the photos, such as for a thread
            if not lacks_memory(error):
                raise
            report.bar.close()
            terminal.say("there is not enough memory: %s" % (str(error) or "none is left"))
            _leave(terminal.FAILED)
    return report.sum_up(len(jobs))


def _leave(code: int) -> NoReturn:
    """Exit at once: a download may still block in its thread, and nothing else is under way."""
    os._exit(code)


class _Report:
    """What became of the photos so far, said on stdout and stderr."""

    def __init__(self, args: argparse.Namespace, jobs: int) -> None:
        self.args = args
        self.bar = terminal.progress(jobs, args.quiet)
        self.counts = {"done": 0, "skipped": 0, "failed": 0}
        self.empty = 0
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
        if _is_empty(result):
            self.empty += 1
        if status != "skipped" or self.args.json or self.args.verbose:
            with self.bar.aside():
                self._print(result)
        self.bar.update()

    def _print(self, result: Result) -> None:
        if result.error:
            terminal.say(self.failures[-1])
        if _is_empty(result) and (self.args.fail_empty or not self.args.quiet):
            name = result.job.source.name
            terminal.say("%s: nobody was found, the cutout is empty" % name)
        if self.args.json:
            terminal.print_text(json.dumps(_record(result)))
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
        for line in self.failures[:VISIBLE_LINES]:
            terminal.say("failed: " + line)
        if len(self.failures) > VISIBLE_LINES:
            terminal.say("failed: %d more, named above" % (len(self.failures) - VISIBLE_LINES))


def _is_empty(result: Result) -> bool:
    """Whether nobody was found on a photo that was matted."""
    return result.status.value == "done" and result.box is None


def _record(result: Result) -> dict[str, Any]:
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
        record["coverage"] = round(result.coverage, 4)
        record["box"] = result.box and result.box._asdict()
    if any(result.grown):
        record["grown"] = list(result.grown)
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
