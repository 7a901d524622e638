"""The command line: the only module that prints, reads argv, or exits."""

from __future__ import annotations

import argparse
import contextlib
import errno
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, ContextManager, NoReturn, Sequence

from bshm.cli import signals, terminal
from bshm.cli.flags import SAMPLE, build_parser
from bshm.errors import BshmError, OutputError, root_cause
from bshm.model.engine import verbose
from bshm.timing import STAGES, Timings

if TYPE_CHECKING:
    from bshm.batch.outputs import Job
    from bshm.batch.run import Options, Result
    from bshm.matting import Matting

OK, FAILED = 0, 1
# What writing to somebody who left fails with: on Windows, it is EINVAL.
GONE = (errno.EPIPE, errno.EIO, *([errno.EINVAL] if os.name == "nt" else []))
SCREEN = 20  # lines of a terminal that are surely in sight
BROKEN = "numpy, pillow or opencv-python-headless is missing or broken, install it again"
REVISION = "a tag (default: modelscope's choice, the newest tag; since 1.38 master)"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code. See ``bshm --help``."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    signals.fill_closed_streams()
    try:
        if arguments and arguments[0] in COMMANDS:
            return COMMANDS[arguments[0]](arguments[1:])
        parser = build_parser()
        args, unknown = parser.parse_known_args(arguments)
        if unknown:
            parser.error("unknown: %s (photos are named after -i)" % " ".join(unknown))
        return _cut_out(args, parser)
    except BshmError as error:
        _say(str(error))
        return FAILED
    except ImportError as error:
        _say("%s: %s" % (BROKEN, root_cause(error)))
        return FAILED
    except KeyboardInterrupt:
        _say("interrupted")
        return signals.INTERRUPTED


def _cut_out(args: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    try:
        from bshm.batch import outputs, sources
        from bshm.batch import run as batch
    except Exception as error:  # as of the engines, not always an ImportError
        raise ImportError(root_cause(error)) from error

    if not args.output_dir:  # as of a shell's variable that is not set
        parser.error("-d takes a folder, got an empty name; for this one say -d .")
    if args.verbose:
        os.environ["BSHM_VERBOSE"] = "1"
    named = [name for group in args.input or [[_sample()]] for name in group]
    jobs = list(outputs.plan(sources.expand(named, args.recursive), Path(args.output_dir)))
    if args.output is not None:
        if len(jobs) != 1:
            parser.error("-o takes one photo, got %d; use -d for several" % len(jobs))
        to_stdout = args.output == "-"
        if args.output.endswith(("/", os.sep)):
            parser.error("-o takes a file, got the folder %s; use -d for folders" % args.output)
        ending = os.path.splitext(args.output)[1].lower()
        if ending != ".png" and ending in sources.EXTENSIONS:
            parser.error("-o writes a PNG, got %s; name it .png" % args.output)
        if to_stdout and args.json:
            parser.error("-o - and --json both want stdout; write the PNG to a file")
        output = None if to_stdout else Path(args.output)
        jobs = [outputs.Job(jobs[0].source, output, chosen=True)]
    options = batch.Options(
        only_alpha=args.only_alpha,
        skip_existing=args.skip_existing,
        max_pixels=int(args.max_pixels * 1e6),
        stdout=_write_stdout,
    )
    return _run(args, jobs, options)


def _run(args: argparse.Namespace, jobs: list[Job], options: Options) -> int:
    from bshm.batch import run as batch

    counts: dict[str, int] = {"done": 0, "skipped": 0, "failed": 0}
    total = Timings()
    failures: list[str] = []
    bar = terminal.start(len(jobs), args.quiet)

    def report(result: Result) -> None:
        counts[result.status] += 1
        for stage, spent in result.timings.items():
            if result.status == "done" or stage == "load":
                total[stage] = total.get(stage, 0.0) + spent
        if result.status != "skipped" or args.json or args.verbose:
            with bar.aside():
                _tell(result, args)
        if result.status == "failed":
            failures.append(result.error)
        bar.update()

    def load() -> Matting:
        with bar.aside():
            return _load(args)

    with signals.terminable() as check:
        try:
            batch.run(jobs, load, report, options, check)
            bar.close()
        except KeyboardInterrupt:
            bar.close()
            left = len(jobs) - sum(counts.values())
            advice = "; go on with --skip-existing" if left else ""
            _say("interrupted: %d done, %d left%s" % (counts["done"], left, advice))
            _leave(signals.INTERRUPTED)
        except BshmError as error:
            bar.close()
            _say(str(error))
            _leave(FAILED)
    if args.timing and total:
        _print_timing(total, counts["done"])
    if len(jobs) > 1 and not args.quiet:
        if len(jobs) > SCREEN:  # the lines above are long out of sight
            _say_again(failures)
        _say("%(done)d done, %(skipped)d skipped, %(failed)d failed" % counts)
    return FAILED if counts["failed"] else OK


def _tell(result: Result, args: argparse.Namespace) -> None:
    if result.status == "failed":
        _say(result.error)
    if args.json:
        _print(json.dumps(_record(result)))
    elif result.status == "done" and result.job.output is not None:
        _print(str(result.job.output))
    elif result.status == "skipped" and args.verbose:
        _say("%s: already done" % result.job.source.name)


def _leave(code: int) -> NoReturn:
    """Exit at once: a download may still block in its thread, and nothing else is under way."""
    os._exit(code)


def _say_again(failures: list[str]) -> None:
    for line in failures[:SCREEN]:
        _say("failed: " + line)
    if len(failures) > SCREEN:
        _say("failed: %d more, named above" % (len(failures) - SCREEN))


def _load(args: argparse.Namespace) -> Matting:
    from bshm.matting import Matting

    with _hushed():
        matting = Matting(weights=args.weights, device=args.device, engine=args.engine)
    if not args.quiet:
        _say("%s on %s (%s)" % (matting.weights.name, matting.device, matting.weights.why))
        if matting.note:
            _say(matting.note)
    return matting


def _sample() -> str:
    """The default input: in the current folder, else beside the script, for cron jobs."""
    beside = Path(sys.argv[0]).resolve().parent / SAMPLE
    return str(beside) if not Path(SAMPLE).exists() and beside.exists() else SAMPLE


def _record(result: Result) -> dict[str, Any]:
    output = result.job.output
    source = result.job.source
    record: dict[str, Any] = {
        # A path as it is, to be opened; an address without its password.
        "input": str(source.path) if source.path else source.name,
        "output": None if output is None or result.status == "failed" else str(output),
        "status": result.status,
    }
    if result.status == "done":
        record.update(width=result.width, height=result.height)
    if result.error:
        record["error"] = result.error
    record["ms"] = {stage: round(spent, 1) for stage, spent in result.timings.items()}
    return record


def _print_timing(total: Timings, photos: int) -> None:
    _say("%-12s %10s" % ("stage", "ms" if photos <= 1 else "ms a photo"))
    for stage in STAGES:
        if stage in total:
            spent = total[stage] / (1 if stage == "load" else max(1, photos))
            _say("%-12s %10.1f" % (stage, spent))


def _hushed() -> ContextManager:
    """Frameworks have much to say about themselves, past all their settings for less."""
    return contextlib.ExitStack() if verbose() else signals.without_stderr()


def _say(line: str) -> None:
    """A line for stderr. Nobody may be there any more; the work goes on."""
    with contextlib.suppress(OSError):
        print("bshm: " + line, file=sys.stderr, flush=True)


def _print(line: str) -> None:
    """A line for stdout. Whoever reads there may leave, as ``head`` does: the work goes on."""
    if sys.stdout is None:  # closed by the shell: only the files are wanted
        return
    try:
        _write_stdout(os.fsencode(line) + b"\n")  # paths as they are, also those that are not text
    except OutputError as error:
        if getattr(error.__cause__, "errno", 0) not in GONE:
            raise


def _write_stdout(data: bytes) -> None:
    if sys.stdout is None:
        raise OutputError("stdout: cannot be written: it is closed")
    try:
        signals.write_all(sys.stdout.fileno(), data)
    except OSError as error:
        raise OutputError("stdout: cannot be written: %s" % error.strerror) from error


def _info(arguments: list[str]) -> int:
    from bshm.cli import info

    _subparser("info", "Print what belongs in a bug report.").parse_args(arguments)
    with _hushed():
        report = info.report()
    _print(report)
    return OK


def _download(arguments: list[str]) -> int:
    from bshm.model import weights

    parser = _subparser("download", "Fetch released weights once, verified, into the cache.")
    parser.add_argument("model", nargs="?", default=weights.RELEASED, help="(default: %(default)s)")
    parser.add_argument("--revision", metavar="TAG", help=REVISION)
    args = parser.parse_args(arguments)
    _print(str(weights.download(args.model, args.revision)))
    return OK


def _verify(arguments: list[str]) -> int:
    from bshm.model import weights

    parser = _subparser("verify", "Check fetched weights against their recorded sha256.")
    parser.add_argument("model", nargs="?", default=weights.RELEASED, help="(default: %(default)s)")
    args = parser.parse_args(arguments)
    _print("%s: whole" % weights.verify(args.model))
    return OK


def _convert(arguments: list[str]) -> int:
    from bshm.model import convert

    parser = _subparser("convert", "Turn a frozen TensorFlow graph into ONNX, if both agree.")
    parser.add_argument("graph", help="frozen graph, such as tf_graph.pb")
    parser.add_argument("model", help="ONNX file to write")
    args = parser.parse_args(arguments)
    with _hushed():
        written = convert.convert(args.graph, args.model)
    _print(str(written))
    return OK


def _subparser(name: str, description: str) -> argparse.ArgumentParser:
    return argparse.ArgumentParser(prog="bshm " + name, description=description)


COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "info": _info,
    "download": _download,
    "verify": _verify,
    "convert": _convert,
}
