"""What a cluster costs: ``python benchmarks/cluster.py {rate,listing,killed,cost}``.

rate      photos a second of the plain command, and of one and two actors of this machine
listing   time and memory of the driver for 10,000, 100,000 and 1,000,000 names
killed    a node is killed in mid-run; exits with 1 if a photo is lost, or in the report twice;
          with --stand-in the matte is the red channel, and tens of thousands do not take hours
cost      machines, hours and requests of a hundred million photos, with the formula

Needs ``pip install 'bshm[cluster]'``. Linux only: memory is read from /proc.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from statistics import median

# Run as a file, Python looks beside it; the packages are one folder up.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.measure import machine
from benchmarks.photos import save
from bshm.batch.run import Result, Status
from bshm.cluster import job, parts
from bshm.cluster.plan import Plan
from bshm.cluster.worker import Worker
from bshm.model import weights
from bshm.pipeline import Recipe
from tests.model.test_engines import onnx_graph

ROOT = Path(__file__).resolve().parents[1]
COMMAND = [sys.executable, str(ROOT / "inference_bshm.py")]
NAMES = (10_000, 100_000, 1_000_000)
EDGE = 0.15  # of the photos: as many of the first and of the last count for no rate
SEEN_EACH = 0.2  # seconds between two looks at a folder

COST = """\
N  photos                                     %(photos)15d
r  photos a second, of one machine            %(rate)15.2f
M  machines                                   %(machines)15d
s  photos a shard                             %(size)15d
w  1, or 0 with --shards: a file a photo,     %(each)15d
   which is looked at before it is written
hours             N / (3600 r M)              %(hours)15.1f
machine hours     N / (3600 r)                %(machine_hours)15.0f  at %(hour)-6g %(work)8.0f
reading requests  N (1 + w) + N/1000 + 2 N/s  %(gets)15.0f  at %(get)-6g %(read)8.0f
writing requests  N w + 3 N/s                 %(puts)15.0f  at %(put)-6g %(write)8.0f
together                                                               %(total)8.0f
"""


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="cluster", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("rate", "listing", "killed", "cost"))
    parser.add_argument("--photos", type=int, help="default: 100 for rate, 2000 for killed")
    parser.add_argument("--width", type=int, help="default: 960 for rate, 160 for killed")
    parser.add_argument("--rounds", type=int, default=3, help="of rate; default: 3")
    parser.add_argument("--names", type=int, nargs="+", default=NAMES)
    parser.add_argument("--shard-size", type=int, default=256, help="of listing and cost")
    parser.add_argument(
        "--stand-in", action="store_true", help="killed: a network of no work, for many photos"
    )
    parser.add_argument("--one-listing", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--machines", type=int, default=100)
    parser.add_argument("--photos-a-second", type=float, default=6.0, help="of one machine")
    parser.add_argument("--shards", action="store_true")
    parser.add_argument(
        "--prices",
        type=float,
        nargs=3,
        default=(0.10, 0.0004, 0.005),
        metavar=("HOUR", "READ", "WRITE"),
        help="of a machine's hour, of a thousand requests that read, and that write",
    )
    options = parser.parse_args(argv)
    if options.one_listing:
        return _one_listing(options.one_listing, options.shard_size)
    if options.what != "cost":
        print(machine())
    return {"rate": _rate, "listing": _listing, "killed": _killed, "cost": _cost}[options.what](
        options
    )


def _rate(options: argparse.Namespace) -> int:
    """Rates of the photos in the middle, so that neither starting nor the end counts for anybody.

    At the end one of two actors has no shard any more: a moment of a long job, much of a short one.
    """
    count = options.photos or 100
    ways = {
        "command": [],
        "1 actor of 2 CPUs": ["cluster", "--actors", "1", "--threads", "2"],
        "2 actors of 1 CPU": ["cluster", "--actors", "2", "--threads", "1"],
    }
    rates: dict[str, list[float]] = {name: [] for name in ways}
    walls: dict[str, list[float]] = {name: [] for name in ways}
    with tempfile.TemporaryDirectory() as scratch:
        folder = _photos(Path(scratch), count, options.width or 960)
        for number in range(options.rounds):
            for name, flags in ways.items():
                out = Path(scratch) / ("%d-%s" % (number, name))
                size = ["--shard-size", "16"] if flags else []
                begin = time.monotonic()
                command = [*COMMAND, *flags, *size, "-i", str(folder), "-d", str(out), "-q"]
                subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
                walls[name].append(time.monotonic() - begin)
                written = sorted(path.stat().st_mtime for path in out.glob("*.png"))
                assert len(written) == count
                first, last = int(count * EDGE), count - 1 - int(count * EDGE)
                rates[name].append((last - first) / (written[last] - written[first]))
    base = median(rates["command"])
    for name in ways:
        rate = median(rates[name])
        shown = (name, rate, 100 * rate / base, median(walls[name]))
        print("%-20s %6.2f photos/s  %5.1f %% of the command   %6.1f s whole" % shown)
    return 0


def _photos(scratch: Path, count: int, width: int) -> Path:
    """A folder of so many photos; of each second one there are several, with other names."""
    folder = scratch / "in"
    for number in range(count):
        path = folder / ("%06d.jpg" % number)
        if number < 50:
            save(path, number, (width, width * 9 // 16))
        else:
            path.write_bytes((folder / ("%06d.jpg" % (number % 50))).read_bytes())
    return folder


def _listing(options: argparse.Namespace) -> int:
    """A driver of its own for each number; the actors do nothing, so the rest is the cluster's."""
    print("%12s %10s %14s" % ("names", "seconds", "driver, MB"))
    for count in options.names:
        command = [sys.executable, __file__, "listing", "--one-listing", str(count)]
        command += ["--shard-size", str(options.shard_size)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        seconds, peak = done.stdout.split()[-2:]
        print("%12d %10s %14s" % (count, seconds, peak), flush=True)
    return 0


class _Idle(Worker):
    """An actor that does no photo."""

    def do(self, shard):
        parts.write(parts.part(self.plan.report, shard.key), ())
        return [Result(each, Status.SKIPPED) for each in shard.jobs]


def _one_listing(count: int, size: int) -> int:
    with tempfile.TemporaryDirectory() as scratch:
        names = Path(scratch) / "names.txt"
        with names.open("w") as file:
            for number in range(count):
                file.write("s3://bucket/photos/of/%03d/%09d.jpg\n" % (number % 1000, number))
        job.connect("", 2, False)
        begin = time.monotonic()
        plan = _plan(["@%s" % names], Path(scratch) / "out", size)
        assert sum(1 for _ in job.run(plan, job.Pool(1, 1, 0), _Idle)) == count
        seconds = time.monotonic() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    print("%.1f %.0f" % (seconds, peak))
    return 0


def _plan(inputs: list[str], out: Path, size: int, network: str = "bshm-lite") -> Plan:
    """network: as the flag --weights has it"""
    return Plan(
        inputs=tuple(inputs),
        folder=str(out),
        recipes=(Recipe(),),
        weights=network,
        sha256=weights.sha256(weights.resolve(network, ["onnx"]).path),
        device="cpu",
        engine="onnx",
        threads=1,
        size=size,
    )


def _killed(options: argparse.Namespace) -> int:
    """Two nodes of one CPU; one is killed when a quarter is done, and another one joins."""
    import threading

    import ray
    from ray.cluster_utils import Cluster

    count = options.photos or 2000
    node = {"object_store_memory": job.STORE_BYTES, "include_dashboard": False}
    job.take_cpus()
    cluster = Cluster(initialize_head=True, head_node_args={**node, "num_cpus": 0})
    first = cluster.add_node(num_cpus=1, object_store_memory=job.STORE_BYTES)
    cluster.add_node(num_cpus=1, object_store_memory=job.STORE_BYTES)
    ray.init(cluster.address, log_to_driver=False, logging_level="ERROR")
    with tempfile.TemporaryDirectory() as scratch:
        folder, out = _photos(Path(scratch), count, options.width or 160), Path(scratch) / "out"
        network = onnx_graph(Path(scratch) / "red.onnx") if options.stand_in else "bshm-lite"
        plan = _plan([str(folder)], out, 32, network)

        def kill() -> None:
            while len(list(out.glob("*.png"))) < count // 4:
                time.sleep(SEEN_EACH)
            cluster.remove_node(first, allow_graceful=False)
            cluster.add_node(num_cpus=1, object_store_memory=job.STORE_BYTES)

        begin = time.monotonic()
        threading.Thread(target=kill, daemon=True).start()
        told = Counter(result.job.source.name for result in job.run(plan, job.Pool(2, 1, 0)))
        seconds = time.monotonic() - begin
        rows = Counter(
            row["input"]
            for key in parts.keys(plan.report)
            for row in parts.read(parts.part(plan.report, key))
        )
        lost = count - len(list(out.glob("*.png"))), count - len(told), count - len(rows)
        doubled = max(told.values()) - 1, max(rows.values()) - 1
        left = [path.name for path in out.iterdir() if path.suffix == ".tmp"]
    ray.shutdown()
    cluster.shutdown()
    print("%d photos in %.0f s, one node of two killed at a quarter" % (count, seconds))
    print("lost: %d files, %d lines, %d rows of the report" % lost)
    print("doubled: %d lines, %d rows; %d files half written" % (*doubled, len(left)))
    return int(any((*lost, *doubled, left)))


def _cost(options: argparse.Namespace) -> int:
    photos, size, rate = 100_000_000, options.shard_size, options.photos_a_second
    hour, get, put = options.prices
    each = int(not options.shards)
    machine_hours = photos / rate / 3600
    gets = photos * (1 + each) + photos / 1000 + 2 * photos / size
    puts = photos * each + 3 * photos / size
    costs = machine_hours * hour, gets / 1000 * get, puts / 1000 * put
    print(
        COST
        % {
            "photos": photos,
            "rate": rate,
            "machines": options.machines,
            "hours": machine_hours / options.machines,
            "machine_hours": machine_hours,
            "gets": gets,
            "puts": puts,
            "size": size,
            "each": each,
            **dict(zip(("hour", "get", "put"), options.prices)),
            **dict(zip(("work", "read", "write"), costs)),
            "total": sum(costs),
        },
        end="",
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
