"""How fast and how large: ``python benchmarks/speed.py``, for us and for what others would pick.

Every task is done by every tool in turn, round after round (A B A B), so that whatever else the
machine does hits all alike; the table has medians, and ratios to our own. Only tools that are
installed take part. Cold tasks are whole processes; "warm" is one more photo, from JPEG file to
PNG file, in a process that has done one before.
"""

from __future__ import annotations

import argparse
import compileall
import importlib.util
import json
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import Iterator

# Run as a file, Python looks beside it; the packages are one folder up.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import tools
from benchmarks.measure import CommandFailed, load_average, machine, run
from benchmarks.speed_report import table
from benchmarks.tools import ROOT, Tool

# Task -> how many photos are timed in one warm process.
WARM = {"540p": 5, "1080p": 5, "4K": 3, "8K": 2, "100MP": 1}
TASKS = ["help", "import", "cold", *WARM, "folder"]
QUICK = ["help", "import", "cold", "1080p", "4K", "folder"]


def main(argv: list[str] | None = None) -> int:
    parser = _parser()
    options = parser.parse_args(argv)
    if options.plot and importlib.util.find_spec("matplotlib") is None:
        parser.error("--plot needs matplotlib: pip install matplotlib")
    chosen = options.tasks or (QUICK if options.quick else TASKS)
    rounds = options.rounds or (1 if options.quick else 3)
    count = options.photos or (6 if options.quick else 100)
    work = options.work.resolve()
    # As pip does with what it installs, the other tools among it.
    compileall.compile_dir(str(ROOT / "bshm"), quiet=1)
    try:
        _make_photos(options.python, work, chosen, count)
    except CommandFailed as error:
        parser.error("cannot make the test photos with %s: %s" % (options.python, error))
    load = load_average()
    facts: dict = {**machine(), "load_before": load, "load_after": load}
    facts.update(photos=count, rounds=rounds)
    taking_part, missing = _tools(options, work)
    # Stopped by hand or by a time limit, it still prints what it has and leaves nothing running.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    report: dict = {"machine": facts, "missing": missing, "samples": []}
    try:
        for tool, task in _turns(taking_part, chosen, rounds):
            report["samples"] += _sample(tool, task, work, count, options.timeout)
            facts["load_after"] = load_average()
            if options.json:
                options.json.write_text(json.dumps(report, indent=1), "utf-8")
    except KeyboardInterrupt:
        print("speed: stopped; this is what was measured so far", file=sys.stderr)
    print(table(report))
    if options.plot:
        from benchmarks.speed_plot import plot

        plot(report, options.plot)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="speed", description=__doc__)
    add = parser.add_argument
    add("--quick", action="store_true", help="one round, small folder, up to 4K: a few minutes")
    add("--tasks", nargs="+", choices=TASKS, metavar="TASK", help="of: %s" % " ".join(TASKS))
    add("--tools", nargs="+", choices=["bshm", "loop", "rembg", "imgly"], help="default: all")
    add("--rounds", type=int, metavar="N", help="default: 3, or 1 with --quick")
    add("--photos", type=int, metavar="N", help="in the folder (default: 100, or 6 with --quick)")
    add("--python", default=sys.executable, help="the Python that runs bshm (default: this one)")
    add("--rembg-python", default=sys.executable, metavar="PYTHON", help="the Python with rembg")
    add("--isnet", type=Path, metavar="FILE.onnx", help="model for rembg (default: imgly's)")
    add("--imgly", type=Path, default=Path(), metavar="FOLDER", help="where node_modules/ is")
    add("--timeout", type=float, default=1800, metavar="SECONDS", help="for one command")
    add("--work", type=Path, default=ROOT / ".cache" / "benchmarks", help="for test photos")
    add("--json", type=Path, metavar="FILE", help="write every sample")
    add("--plot", type=Path, metavar="FILE", help="time and memory against megapixels")
    return parser


def _make_photos(python: str, work: Path, chosen: list[str], count: int) -> None:
    sizes = [task for task in chosen if task in WARM] + ["1080p"]
    folder = ["--count", str(count)] if "folder" in chosen else []
    # In a process of its own, because this one has to stay small.
    script = str(ROOT / "benchmarks" / "photos.py")
    run([python, script, str(work), "--sizes", *sizes, *folder])


def _tools(options: argparse.Namespace, work: Path) -> tuple[list[Tool], dict[str, str]]:
    folder = options.imgly.resolve()
    model = options.isnet.resolve() if options.isnet else tools.isnet_of(folder, work / "models")
    every = {
        "bshm": tools.ours(options.python),
        "loop": tools.shell_loop(options.python),
        "rembg": tools.rembg(options.rembg_python, model),
        "imgly": tools.imgly(folder),
    }
    wanted = [every[name] for name in options.tools or every]
    missing = {tool.name: tool.missing for tool in wanted if tool.missing}
    return [tool for tool in wanted if not tool.missing], missing


def _turns(every: list[Tool], tasks: list[str], rounds: int) -> Iterator[tuple[Tool, str]]:
    """A B A B: all tools do a task before the next task comes, and all tasks before they repeat."""
    for number in range(rounds):
        for task in tasks:
            # A folder is a hundred repetitions by itself, and takes minutes: once is enough.
            if task != "folder" or number == 0:
                for tool in every:
                    yield tool, task


def _sample(tool: Tool, task: str, work: Path, count: int, timeout: float) -> list[dict]:
    """Do a task once: one sample, or none where the tool has no such task."""
    size = task if task in WARM else "1080p"
    out = Path(tempfile.mkdtemp(prefix="bshm-speed-"))
    command = tool.command(
        "warm" if task in WARM else task,
        photo=work / ("%s.jpg" % size),
        photos=work / ("folder-%d" % count),
        out=out,
        times=WARM.get(task, 1),
    )
    sample: dict = {"task": task, "tool": tool.name}
    try:
        if command is None:
            return []
        print("%s: %s" % (task, tool.name), file=sys.stderr)
        done = run(command, tool.cwd, tool.env, timeout)
        sample["seconds"] = json.loads(done.stdout)["seconds"] if task in WARM else [done.seconds]
        sample["process"] = done.seconds
        sample["process_cpu"] = done.cpu_seconds
        sample["peak_mb"] = done.peak_mb
        made = len(list(out.glob("*.png")))
        expected = {"help": 0, "import": 0, "folder": count}.get(task, 1)
        if made != expected:
            sample["error"] = "%d of %d files written" % (made, expected)
    except CommandFailed as error:
        sample["error"] = str(error)
    finally:
        shutil.rmtree(out)
    return [sample]


if __name__ == "__main__":
    sys.exit(main())
