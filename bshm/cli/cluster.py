"""``bshm cluster``: the photos of ``bshm cut``, by many machines."""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import math
import os
import sys
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Callable, Iterator

from bshm.cli import cut_flags, ending, flags, form, scene_flags, terminal
from bshm.cli.report import Report
from bshm.errors import BshmError, DeviceError, install_extra

if TYPE_CHECKING:
    from bshm.batch.run import Result
    from bshm.batch.sources import Source
    from bshm.cluster.job import Pool
    from bshm.cluster.plan import Plan

PACKAGES = ("ray", "fsspec", "s3fs", "pyarrow")
SHARERS = 8  # actors that share a GPU, if nothing is said: each takes some of its memory
PATIENCE_S = 0.5  # seconds of one wait, after which signals are looked for

USAGE = "bshm cluster PHOTO ... [-i PHOTO ...] [-d DIR] [--address A] [more flags]"

DESCRIPTION = """\
Cut people out of photos on a cluster of Ray: the flags, the files and the report of `bshm`, for
millions of photos in an object store. Without --address it runs on this machine alone.
"""
EPILOG = """\
examples:
  bshm cluster -i s3://bucket/in --recursive -d s3://bucket/out --address auto
  bshm cluster -i @names.txt -d s3://bucket/out --shards --skip-existing
  bshm cluster holiday/ -d out                      the CPUs of this machine

Every machine needs bshm[cluster], and sees what -i and -d name. The report is in DIR/bshm-report, a
row a photo: pandas.read_parquet takes it. What is killed goes on with --skip-existing, and makes
the same files.
"""


def run(arguments: list[str]) -> int:
    """Cut out the photos that the arguments name, on a cluster; the exit code."""
    parser = _parser()
    args = cut_flags.parse(parser, arguments)  # its help needs no package
    missing = [name for name in PACKAGES if not importlib.util.find_spec(name)]
    if sys.version_info < (3, 10) or missing:
        reason = "the cluster needs Python 3.10 or newer and: " + install_extra("cluster")
        raise BshmError(reason, code="extra_missing")
    _refuse_what_is_one_machines(args, parser)
    args.verbose = terminal.verbose(args.verbose)
    terminal.check_installation()
    recipe = form.recipe(args, parser)
    recipes, backgrounds = scene_flags.read_recipes(args, parser, recipe)
    with terminal.without_chatter(args.verbose):
        from bshm.batch import outputs
        from bshm.cluster import job
        from bshm.model.cpus import cpu_limit

        outputs.try_folder(outputs.to_output(args.output_dir) / "x")
        job.connect(args.address, cpu_limit(), args.verbose)
        machines = job.machines()
    # Ray prints there what it says of machines that are lost.
    with terminal.alone_on_stderr(args.verbose), terminal.alone_on_stdout(args.verbose):
        pool = _pool(args, machines)
        return _follow(args, _plan(args, recipes, backgrounds, pool), pool)


def _parser() -> argparse.ArgumentParser:
    parser = flags.parser(
        "cluster",
        DESCRIPTION,
        parents=cut_flags.all_flags("1, of each worker", sample=None, single=False),
        usage=USAGE,
        epilog=EPILOG,
    )
    add = parser.add_argument_group("cluster").add_argument
    add(
        "--address",
        default="",
        metavar="A",
        help="of the cluster: auto for the one that this machine is of, or host:6379 (default: "
        "RAY_ADDRESS, else this machine alone)",
    )
    add(
        "--actors",
        type=flags.count,
        default=0,
        metavar="N",
        help="workers, each of as many CPUs as --threads says, which share the GPUs, if there are "
        "any (default: as many as fit, at most %d a GPU; more when machines join)" % SHARERS,
    )
    add(
        "--shards",
        action="store_true",
        help="write tar files of many cutouts each, in WebDataset's layout, instead of one a photo",
    )
    add(
        "--shard-size",
        type=flags.count,
        default=256,
        metavar="N",
        help="photos, about, that are done together, again where a machine is lost, and in one tar "
        "file (default: %(default)s)",
    )
    return parser


def _refuse_what_is_one_machines(args: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    if args.output is not None:
        parser.error("-o is of one photo; a cluster writes to the folder -d")
    if not args.photos:
        parser.error("no photo is named; say -i s3://bucket/in, for example")
    if "-" in args.photos:
        parser.error("stdin is of one machine; name photos that all machines see")
    if args.shard_size < 1:
        parser.error("--shard-size takes a number from 1")


def _pool(args: argparse.Namespace, machines: list[dict[str, float]]) -> Pool:
    from bshm.cluster.job import Pool
    from bshm.model.engine import GPUS

    has_gpus = any(machine.get("GPU") for machine in machines)
    on_gpu = args.device in GPUS or (args.device == "auto" and has_gpus)
    if on_gpu and not has_gpus:
        reason = "%s does not work here: no machine of the cluster has a GPU" % args.device
        if not (args.address or os.environ.get("RAY_ADDRESS")):  # of this machine alone
            raise DeviceError(reason, code="device_missing")
        terminal.say(reason + "; waiting for one that has")
    most = int(max(machine.get("CPU", 0) for machine in machines))
    cpus = max(1, min(args.threads or 1, most))  # two actors of one CPU do more than one of two
    return Pool(args.actors, cpus, _share(args.actors, cpus, machines) if on_gpu else 0)


def _share(actors: int, cpus: int, machines: list[dict[str, float]]) -> float:
    """An actor's share of a GPU, which has little to do for one whose CPU works on the same photos.

    actors: how many there are to be, or 0: as many as the machines with GPUs have CPUs for
    """
    having = [machine for machine in machines if machine.get("GPU")]
    gpus = sum(machine["GPU"] for machine in having)
    fitting = sum(min(SHARERS * each["GPU"], each.get("CPU", 0) // cpus) for each in having)
    share = gpus / max(actors or fitting, gpus) if gpus else 1
    return math.floor(share * 1e4) / 1e4  # as Ray counts; rounded up, the last one would not fit


def _plan(args: argparse.Namespace, recipes: list, backgrounds: list[Source], pool: Pool) -> Plan:
    """The settings, with what this machine takes for ``auto`` written out."""
    from bshm.cluster.plan import Plan
    from bshm.model import engine, weights

    chosen = weights.resolve(args.weights, engine.choose(args.engine))
    device = args.device
    if device == "auto":
        device = "cuda" if pool.gpus else "cpu"
    return Plan(
        inputs=tuple(args.photos),
        folder=args.output_dir,
        recipes=tuple(recipes),
        weights=chosen.name,
        sha256=weights.sha256(chosen.path),
        device=device,
        engine=chosen.engine,
        threads=pool.cpus,
        size=args.shard_size,
        recursive=args.recursive,
        name=form.stem(args.name),
        both=args.both,
        replace=args.force,
        tars=args.shards,
        skip_existing=args.skip_existing,
        home=os.getcwd(),
        backgrounds=tuple(backgrounds),
    )


def _follow(args: argparse.Namespace, plan: Plan, pool: Pool) -> int:
    """Tell what becomes of the photos; the exit code."""
    from bshm.cluster import job

    report = Report(args, None)
    if not args.quiet:
        terminal.say("%s on %s" % (plan.weights, plan.device))
    with ending.told(report, None) as stop_if_asked:
        for result in _watched(job.run(plan, pool), stop_if_asked):
            report.tell(result)
    if not args.quiet:
        terminal.say("report: %s" % plan.report)
    return report.sum_up(sum(report.counts.values()))


def _watched(results: Iterator[Result], stop_if_asked: Callable[[], None]) -> Iterator[Result]:
    """The same results; while the next one is waited for, signals are looked for."""
    with contextlib.closing(_Thread()) as thread:
        while True:
            coming = thread.pool.submit(next, results, None)
            while not coming.done():
                wait([coming], PATIENCE_S)
                stop_if_asked()
            result = coming.result()
            if result is None:
                return
            yield result


class _Thread:
    """One thread, which nobody waits for at the end."""

    def __init__(self) -> None:
        self.pool = ThreadPoolExecutor(1)

    def close(self) -> None:
        self.pool.shutdown(wait=False)
