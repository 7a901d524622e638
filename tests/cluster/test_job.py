"""Jobs on a real local cluster of two nodes, from and to a real server of S3's protocol."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import threading
from collections import Counter
from pathlib import Path

import cv2
import pytest

from bshm.batch.run import Status
from bshm.cluster.plan import Plan
from bshm.errors import BshmError
from bshm.model import weights
from bshm.pipeline import Recipe
from tests.helpers import ROOT, bshm, lines, sample
from tests.serve.running import grandchildren, wait_for

pytest.importorskip("ray")
pytest.importorskip("pyarrow")

LONG_S = 500  # seconds: on a busy machine, Ray takes minutes to start an actor


@pytest.fixture(scope="module")
def photo():
    """A small portrait, as a JPEG."""
    return cv2.imencode(".jpg", sample("1.png", 160, 120)[:, :, ::-1])[1].tobytes()


@pytest.fixture
def folder(tmp_path, photo):
    """A folder of photos, one of them damaged."""
    for name in ("a.jpg", "b.jpg", "b.png", "sub/a.jpg"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(photo)
    (tmp_path / "in" / "broken.jpg").write_bytes(b"no photo")
    return tmp_path


@pytest.fixture
def stored(bucket, photo):
    """A function that puts so many photos into a bucket, all of them different."""

    def put(count, folder="in"):
        for number in range(count):
            bucket.pipe("photos/%s/%03d.jpg" % (folder, number), photo + b"%d" % number)

    return put


class Held:
    """A photo that comes in drops until it is let go: no job that has it is over before."""

    def __init__(self, web, photo):
        self.photo, self.free, self.url = photo, threading.Event(), web.url("/held.jpg")
        web["/held.jpg"] = self.answer

    def answer(self, request):
        request.reply(Content_Length=len(self.photo))
        sent = 0
        while not self.free.wait(0.2):
            request.wfile.write(self.photo[sent : sent + 1])
            sent += 1
        request.wfile.write(self.photo[sent:])


@pytest.fixture
def held(web, photo):
    held = Held(web, photo)
    yield held
    held.free.set()


def job(*more, actors=1, gpus=0, **options):
    """What becomes of each photo in the bucket, and of more; an actor has one CPU.

    gpus: of an actor
    """
    from bshm.cluster.job import Pool, run

    known = {"device": "cpu", "engine": "onnx", "threads": 1, "size": 4, "weights": "bshm-lite"}
    known["sha256"] = weights.EMBEDDED["bshm-lite.onnx"]
    photos, out = ("s3://photos/in", *more), "s3://photos/out"
    plan = Plan(inputs=photos, folder=out, recipes=(Recipe(),), **{**known, **options})
    return run(plan, Pool(actors, 1, gpus))


def statuses(results):
    return Counter(result.status.value for result in results)


def report(bucket):
    """The rows of the only report in the bucket, by input; none may be there twice."""
    import pyarrow.parquet

    rows = []
    [folder] = bucket.ls("photos/out/bshm-report", detail=False)
    for part in bucket.ls(folder, detail=False):
        rows += pyarrow.parquet.read_table(io.BytesIO(bucket.cat(part))).to_pylist()
    inputs = [row["input"] for row in rows]
    assert len(set(inputs)) == len(inputs)
    return {row["input"]: row for row in rows}


def cutouts(bucket, folder="photos/out"):
    return sorted(Path(path).name for path in bucket.glob(folder + "/*.png"))


def wait_for_stored(bucket, pattern, count):
    """Wait until there are so many files; their server is a thread of this process."""
    there = "photos/out/" + pattern
    wait_for(lambda: len(bucket.glob(there)) >= count, LONG_S, every=0.5)


def named(count):
    return ["%03d.png" % number for number in range(count)]


def test_the_command_and_the_cluster_do_the_same(two_nodes, folder):
    """Files, lines, summary and exit code; the real commands."""
    said = {}
    for way in ([], ["cluster", "--address", two_nodes.address, "--actors", "1"]):
        out = "out-cluster" if way else "out-command"
        flags = ["--recursive", "--both", "--crop", "5%", "--json", "--threads", "1"]
        done = bshm(*way, "in", "-d", out, *flags, cwd=folder, code=1)
        records = [json.loads(line) for line in lines(done.stdout)]
        for record in records:
            assert record.pop("ms")
        text = done.stdout.decode() + done.stderr.decode()
        said[bool(way)] = (
            sorted(str(record).replace(out, "out") for record in records),
            [line for line in lines(done.stderr) if "report: " not in line],
        )
        assert "Traceback" not in text
    assert said[True] == said[False]
    assert said[True][1][-1] == "bshm: 4 done, 0 skipped, 1 failed"
    files = {
        out: {
            path.relative_to(folder / out): path.read_bytes()
            for path in (folder / out).rglob("*.png")
        }
        for out in ("out-command", "out-cluster")
    }
    assert files["out-command"] == files["out-cluster"] and len(files["out-cluster"]) == 8
    [part] = (folder / "out-cluster").rglob("*.parquet")
    rows = {row["input"]: row for row in parquet(part)}
    assert len(rows) == 5
    failed = rows.pop("in/broken.jpg")
    assert (failed["status"], failed["code"]) == ("failed", "not_an_image")
    assert failed["reason"] and failed["output"] is None
    for row in rows.values():
        assert (folder / row["output"]).is_file() and (folder / row["matte"]).is_file()


def parquet(path):
    import pyarrow.parquet

    return pyarrow.parquet.read_table(str(path)).to_pylist()


def test_done_photos_are_known_by_the_report_and_new_ones_are_not(two_nodes, bucket, stored, photo):
    stored(8)
    bucket.pipe("photos/in/damaged.jpg", b"no photo")
    assert statuses(job()) == {"done": 8, "failed": 1}
    first = {path: bucket.info(path)["LastModified"] for path in bucket.find("photos/out")}
    bucket.pipe("photos/in/003-b.jpg", photo)
    bucket.rm("photos/in/004.jpg")
    bucket.pipe("photos/in/005.jpg", photo + b"changed")
    results = list(job(skip_existing=True))
    again = {result.job.source.stem for result in results if result.status is not Status.SKIPPED}
    assert again == {"003-b", "005", "damaged"}
    assert statuses(results) == {"done": 2, "failed": 1, "skipped": 6}
    rows = report(bucket)
    assert len(rows) == 9
    assert rows["s3://photos/in/damaged.jpg"]["code"] == "not_an_image"
    last = {path: bucket.info(path)["LastModified"] for path in bucket.find("photos/out")}
    same = [path for path in first if path.endswith(".png") and last[path] == first[path]]
    assert len(same) >= 6


def test_a_driver_is_killed_and_started_again(two_nodes, bucket, stored, held):
    stored(12)
    command = [sys.executable, "-m", "bshm", "cluster", "--address", two_nodes.address]
    command += ["s3://photos/in", held.url, "-d", "s3://photos/out", "--shard-size", "4"]
    first = subprocess.Popen(
        [*command, "--threads", "1"],
        cwd=str(ROOT),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_for_stored(bucket, "bshm-report/*/*.parquet", 2)
    first.kill()
    first.wait()
    held.free.set()
    again = statuses(job(held.url, skip_existing=True))
    assert again["skipped"] >= 2 and again["done"] > 0 and sum(again.values()) == 13
    assert cutouts(bucket) == [*named(12), "held.png"]
    assert len(report(bucket)) == 13


def test_a_worker_and_a_node_are_killed_and_every_photo_is_done_once(
    two_nodes, bucket, stored, held
):
    stored(16)
    results = []
    running = threading.Thread(target=lambda: results.extend(job(held.url, actors=2)))
    running.start()
    wait_for_stored(bucket, "*.png", 2)
    os.kill(workers()[0], signal.SIGKILL)
    wait_for_stored(bucket, "*.png", 7)
    two_nodes.kill()
    held.free.set()
    running.join(LONG_S)
    assert not running.is_alive()
    assert sorted(result.job.source.stem + ".png" for result in results) == [*named(16), "held.png"]
    assert statuses(results) == {"done": 17}
    assert cutouts(bucket) == [*named(16), "held.png"]
    assert len(report(bucket)) == 17
    assert not [path for path in bucket.find("photos/out") if ".tmp" in path]


def workers():
    """Process ids of the actors, which the nodes' processes started."""
    found = [pid for pid in grandchildren(os.getpid()) if b"ray::MapWorker" in command_line(pid)]
    assert found
    return found


def command_line(pid):
    try:
        return Path("/proc/%d/cmdline" % pid).read_bytes()
    except OSError:  # it ended meanwhile
        return b""


def test_tar_files_hold_every_cutout_once(gpu_node, bucket, stored):
    stored(10)
    bucket.pipe("photos/in/a.b.jpg", b"no photo")
    # The actors share a GPU that Ray is only told of; the network runs on the CPU.
    results = list(job(tars=True, both=True, actors=2, gpus=0.5))
    assert statuses(results) == {"done": 10, "failed": 1}
    members = {}
    for path in bucket.glob("photos/out/*.tar"):
        with tarfile.open(fileobj=io.BytesIO(bucket.cat(path))) as tar:
            for member in tar:
                assert member.name not in members
                members["s3://%s/%s" % (path, member.name)] = tar.extractfile(member).read()
    names = sorted(name.rpartition("/")[2] for name in members)
    endings = ("json", "matte.png", "png")
    assert names == ["%03d.%s" % (number, end) for number in range(10) for end in endings]
    for result in results:
        if result.status is Status.DONE:
            assert members[str(result.job.output)].startswith(b"\x89PNG")
    assert len(bucket.glob("photos/out/*.tar")) == len(
        bucket.glob("photos/out/bshm-report/*/*.parquet")
    )


def test_what_no_worker_can_do_ends_the_job_in_one_line(nodes, bucket, stored):
    stored(1)
    with pytest.raises(BshmError) as caught:
        list(job(sha256="0" * 64))
    assert caught.value.code == "other_weights" and "\n" not in str(caught.value)
    assert not bucket.exists("photos/out/000.png")
