"""What a worker makes of a shard: its files, its part of the report, and nothing twice."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import tarfile
from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2
import pytest

from bshm.batch import sources
from bshm.batch.run import Status
from bshm.errors import BshmError
from bshm.model import weights
from bshm.pipeline import Recipe
from tests.cluster.test_plan import plan
from tests.helpers import sample
from tests.serve.running import wait_for

pyarrow = pytest.importorskip("pyarrow")
pytest.importorskip("pyarrow.parquet")

SHA256 = weights.EMBEDDED["bshm-lite.onnx"]


@pytest.fixture(scope="module")
def photo():
    return cv2.imencode(".jpg", sample("1.png", 96, 64)[:, :, ::-1])[1].tobytes()


@pytest.fixture
def made(tmp_path, photo):
    """A function that makes the plan of a folder with two photos and a damaged one."""
    (tmp_path / "in").mkdir()
    for name, data in (("a.jpg", photo), ("b.jpg", photo), ("broken.jpg", b"no photo")):
        (tmp_path / "in" / name).write_bytes(data)

    def make(**options):
        known = {"folder": str(tmp_path / "out"), "sha256": SHA256, "size": 100, **options}
        return plan(str(tmp_path / "in"), **known)

    return make


def do(made_plan, change=lambda shard: shard):
    """The statuses of the only shard of a plan, and the rows of its part."""
    from bshm.cluster import parts
    from bshm.cluster.worker import Worker

    [shard] = made_plan.shards()
    shard = change(shard)
    results = Worker(made_plan).do(shard)
    rows = parts.read(parts.part(made_plan.report, shard.key))
    assert [row["input"] for row in rows] == [str(job.source.path) for job in shard.jobs]
    assert sorted(os.listdir(made_plan.report)) == [shard.key + ".parquet"]
    return results, rows


def statuses(results):
    return [result.status.value for result in results]


def test_the_part_has_what_became_of_each_photo(made):
    results, rows = do(made())
    assert statuses(results) == ["done", "done", "failed"]
    assert [row["status"] for row in rows] == ["done", "done", "failed"]
    assert (rows[0]["width"], rows[0]["height"]) == (64, 96) and rows[0]["ms"] > 0
    assert rows[0]["box"]["bottom"] > 0 and 0 < rows[0]["coverage"] < 1
    assert (rows[2]["code"], rows[2]["output"]) == ("not_an_image", None)
    assert results[0].job.output.read_bytes().startswith(b"\x89PNG")


def test_what_the_part_has_as_done_is_skipped_and_stays_in_it(made):
    _, before = do(made())
    results, rows = do(made(skip_existing=True))
    assert statuses(results) == ["skipped", "skipped", "failed"]
    assert rows[:2] == before[:2]
    results, _ = do(made(skip_existing=True, both=True))  # has a report of its own
    assert statuses(results) == ["done", "done", "failed"]


@pytest.mark.parametrize("fault", ["empty", "cut", "footer", "names", "foreign"])
def test_a_part_that_is_damaged_or_none_of_ours_is_made_again(made, fault):
    do(made())
    [part] = Path(made().report).glob("*.parquet")
    data = part.read_bytes()
    begin = len(data) - 8 - int.from_bytes(data[-8:-4], "little")  # of the footer
    if fault == "foreign":
        pyarrow.parquet.write_table(pyarrow.table({"x": [1, 2, 3]}), part)
    else:
        footer = bytes(byte ^ 0x5A for byte in data[begin:-8])
        damaged = {
            "empty": b"",
            "cut": data[:-100],
            "footer": data[:begin] + footer + data[-8:],
            "names": data.replace(b"status", b"\xff\xfeatus"),
        }
        part.write_bytes(damaged[fault])
    results, _ = do(made(skip_existing=True))
    assert statuses(results) == ["done", "done", "failed"]


def test_a_worker_is_killed_in_mid_shard_and_another_one_does_the_shard(made, tmp_path, photo):
    for number in range(12):
        (tmp_path / "in" / ("%02d.jpg" % number)).write_bytes(photo)
    known = made(size=64)
    (tmp_path / "plan").write_bytes(pickle.dumps(known))
    code = (
        "import pickle; from bshm.cluster.worker import Worker\n"
        "plan = pickle.load(open('plan', 'rb')); [Worker(plan).do(each) for each in plan.shards()]"
    )
    first = subprocess.Popen([sys.executable, "-c", code], cwd=str(tmp_path))
    out = tmp_path / "out"
    wait_for(lambda: len(list(out.glob("*.png"))) > 2)
    first.kill()
    first.wait()
    assert not list(out.rglob("*.parquet"))
    results, rows = do(known)
    assert statuses(results) == ["done"] * 14 + ["failed"]
    assert [row["status"] for row in rows] == ["done"] * 14 + ["failed"]
    files = sorted(path.name for path in out.iterdir() if path.is_file())
    assert files == sorted(path.with_suffix(".png").name for path in photos_in(tmp_path))


def test_in_a_store_what_is_done_is_known_by_one_request_a_shard(bucket, photo, monkeypatch):
    from bshm.cluster.worker import Worker

    for number in range(6):
        bucket.pipe("photos/in/%d.jpg" % number, photo)
    known = {"folder": "s3://photos/out", "sha256": SHA256, "size": 64}
    first = plan("s3://photos/in", **known)
    assert statuses(Worker(first).do(next(first.shards()))) == ["done"] * 6
    again = plan("s3://photos/in", skip_existing=True, **known)
    shard = next(again.shards())
    asked = []
    call = type(bucket)._call_s3

    async def counted(self, method, *arguments, **options):
        asked.append(method)
        return await call(self, method, *arguments, **options)

    monkeypatch.setattr(type(bucket), "_call_s3", counted)
    assert statuses(Worker(again).do(shard)) == ["skipped"] * 6
    assert asked == ["get_object"]


def photos_in(folder):
    return [path for path in (folder / "in").iterdir() if path.name != "broken.jpg"]


def codes(made_plan):
    """What has become of each photo, shard by shard, by its name: its status, or its code."""
    from bshm.cluster.worker import Worker

    worker, found = Worker(made_plan), {}
    for shard in made_plan.shards():
        for result in worker.do(shard):
            name = os.path.basename(result.job.source.name)
            found[name] = result.error.code if result.error else result.status.value
    return found


@pytest.fixture(params=["disk", "memory", "disk, photo by photo"])
def shelf(request, tmp_path, monkeypatch):
    """A folder of a disk or a store: its name, and functions that read and write files in it."""
    from bshm.cluster import worker

    if "photo by photo" in request.param:
        monkeypatch.setattr(worker, "TRIES", 0)
    if request.param != "memory":
        folder = tmp_path / "shelf"
        folder.mkdir()
        return (
            str(folder),
            lambda name: (folder / name).read_bytes(),
            lambda name, data: (folder / name).write_bytes(data),
        )
    files = pytest.importorskip("fsspec").filesystem("memory")
    files.store.clear()
    files.pseudo_dirs[:] = [""]
    return (
        "memory://shelf",
        lambda name: files.cat("/shelf/" + name),
        lambda name, data: files.pipe("/shelf/" + name, data),
    )


@pytest.fixture
def png():
    return cv2.imencode(".png", sample("2.png", 48, 40)[:, :, ::-1])[1].tobytes()


@pytest.mark.parametrize("by_list", [False, True])
def test_no_shard_overwrites_a_photo_of_another(shelf, tmp_path, photo, png, by_list):
    folder, read, write = shelf
    write("a.jpg", photo)
    write("a.png", png)
    write("b.jpg", photo)
    inputs = folder
    if by_list:
        (tmp_path / "names.txt").write_text(
            "".join("%s/%s\n" % (folder, name) for name in ("a.jpg", "b.jpg", "a.png"))
        )
        inputs = "@%s" % (tmp_path / "names.txt")
    known = {"folder": folder, "sha256": SHA256, "size": 1}
    refused = codes(plan(inputs, **known))
    assert refused["a.jpg"] == "would_overwrite_input" or not by_list
    for _ in range(2):  # the second time, cutouts of the first one are there
        found = codes(plan(inputs, replace=True, **known))
        assert found["a.jpg"] == "would_overwrite_input" and found["b.jpg"] == "done"
        assert read("a.png") == png and read("a.jpg") == photo
        assert read("b.png").startswith(b"\x89PNG")


@pytest.mark.parametrize("replace", [False, True])
def test_a_cutout_that_is_named_as_a_photo_of_another_shard_stays(shelf, photo, replace):
    folder, read, write = shelf
    write("a.jpg", photo)
    known = {"folder": folder, "sha256": SHA256, "size": 1, "replace": replace}
    named = ["%s/%s" % (folder, name) for name in ("a.jpg", "a.png")]
    assert codes(plan(named[0], **known)) == {"a.jpg": "done"}
    cutout = read("a.png")
    changed = {**known, "recipes": (Recipe(only_alpha=True),)}
    found = codes(plan(*named, **changed))
    assert found == {"a.jpg": "would_overwrite_input", "a.png": "done"}
    assert read("a.png") == cutout
    assert codes(plan(named[0], **changed)) == {"a.jpg": "done"}
    assert read("a.png") != cutout


def test_a_link_to_where_another_shard_writes_stays_what_it_was(tmp_path, photo, png):
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "in" / "a.jpg").write_bytes(photo)
    (tmp_path / "out" / "a.png").write_bytes(png)
    (tmp_path / "in" / "b.png").symlink_to(tmp_path / "out" / "a.png")
    known = {"folder": str(tmp_path / "out"), "sha256": SHA256, "size": 1, "replace": True}
    found = codes(plan(str(tmp_path / "in"), **known))
    assert found == {"a.jpg": "would_overwrite_input", "b.png": "done"}
    assert (tmp_path / "in" / "b.png").read_bytes() == png


@pytest.mark.parametrize("name", ["list", "background"])
def test_lists_and_backgrounds_are_not_overwritten_by_a_shard(tmp_path, photo, png, name):
    (tmp_path / "a.jpg").write_bytes(photo)
    other = tmp_path / "a.png"
    other.write_bytes(b"%s\n" % str(tmp_path / "a.jpg").encode() if name == "list" else png)
    known = {"folder": str(tmp_path), "sha256": SHA256, "size": 1, "replace": True}
    before = other.read_bytes()
    if name == "list":
        made_plan = plan("@%s" % other, **known)
    else:
        pictures = tuple(sources.expand([str(other)]))
        made_plan = plan(str(tmp_path / "a.jpg"), backgrounds=pictures, **known)
    assert codes(pickle.loads(pickle.dumps(made_plan))) == {"a.jpg": "would_overwrite_input"}
    assert other.read_bytes() == before


def test_a_photo_that_takes_its_worker_with_it_fails_alone(made, monkeypatch):
    from bshm.cluster import worker

    def deadly(shard):
        job = shard.jobs[1]
        shard.jobs[1] = job._replace(source=replace(job.source, read=partial(os._exit, 9)))
        return shard

    monkeypatch.setattr(worker, "TRIES", 0)
    results, rows = do(made(), deadly)
    assert statuses(results) == ["done", "failed", "failed"]
    assert [row["code"] for row in rows] == [None, "worker_lost", "not_an_image"]


def test_a_shard_that_was_begun_too_often_is_done_photo_by_photo(made):
    from bshm.cluster.lone import Tries

    folder = made().report
    assert [Tries(folder, "key").begin() for _ in range(3)] == [1, 2, 3]
    Tries(folder, "key").end()
    assert Tries(folder, "key").begin() == 1


def test_a_tar_file_has_the_layout_of_webdataset(made, tmp_path):
    results, rows = do(made(tars=True, both=True))
    [path] = (tmp_path / "out").glob("*.tar")
    with tarfile.open(path) as tar:
        names = tar.getnames()
    assert names == ["%s.%s" % (stem, end) for stem in "ab" for end in ("png", "matte.png", "json")]
    assert rows[0]["output"] == "%s/a.png" % path and rows[0]["matte"] == "%s/a.matte.png" % path
    assert statuses(results) == ["done", "done", "failed"]
    assert results[2].job.output is None


def test_a_tar_file_is_left_alone_only_where_all_of_it_is_done(made, tmp_path):
    do(made(tars=True))
    assert statuses(do(made(tars=True, skip_existing=True))[0]) == ["done", "done", "failed"]
    (tmp_path / "in" / "broken.jpg").unlink()
    assert statuses(do(made(tars=True, skip_existing=True))[0]) == ["done", "done"]
    assert statuses(do(made(tars=True, skip_existing=True))[0]) == ["skipped", "skipped"]


@pytest.mark.parametrize(
    ("odd", "code"), [({"version": "0.0.1"}, "other_version"), ({"sha256": "0"}, "other_weights")]
)
def test_a_machine_with_other_weights_or_another_version_does_nothing(made, tmp_path, odd, code):
    with pytest.raises(BshmError) as caught:
        do(made(**odd))
    assert caught.value.code == code
    assert not list((tmp_path / "out").glob("*.png"))


def test_results_of_a_shard_can_be_sent_and_say_the_same(made):
    from bshm.cluster.worker import Worker

    [shard] = made().shards()
    sent = Worker(made())({"shard": pickle.dumps(shard)})
    results = pickle.loads(sent["results"])
    assert sent["key"] == shard.key and statuses(results) == ["done", "done", "failed"]
    assert results[2].error.code == "not_an_image" and results[2].status is Status.FAILED
    assert str(results[2].error).startswith(str(shard.jobs[2].source.path))


@pytest.mark.parametrize("elsewhere", ["{}/driver", "memory://driver"])
def test_machines_that_write_to_disks_of_their_own_are_told_of(made, tmp_path, elsewhere):
    from bshm.cluster.job import tidy
    from bshm.cluster.worker import Worker

    [shard] = made().shards()
    Worker(made()).do(shard)
    tidy(made(), {shard.key})
    with pytest.raises(BshmError, match="1 of 1 parts of the report are not there") as caught:
        tidy(made(folder=elsewhere.format(tmp_path)), {shard.key})
    assert caught.value.code == "not_shared" and "\n" not in str(caught.value)
    assert len(list(tmp_path.rglob("*.parquet"))) == 1
