"""Runs over many photos, with a stand-in for the network: what is held, and what is recorded."""

from __future__ import annotations

import threading
import weakref
from functools import partial

import cv2
import numpy as np
import pytest
from PIL import Image

from bshm import disk
from bshm.batch import outputs
from bshm.batch import run as running
from bshm.batch.run import Status, do_one, run_all
from bshm.batch.sources import Kind, Source, expand
from bshm.cutouts import cutout
from bshm.errors import DeviceError
from bshm.pipeline import Recipe


class Everybody:
    """A stand-in for Matting that takes all for people, and counts the photos still held."""

    value = 1

    def __init__(self):
        self.seen, self.most_held = [], 0

    def see(self, rgb):
        self.seen.append(weakref.ref(rgb))
        self.most_held = max(self.most_held, sum(ref() is not None for ref in self.seen))
        return self

    def alpha(self, rgb):
        return np.full(rgb.shape[:2], self.value, np.float32)

    def close(self):
        pass


def run(sources, out, matting=None, skip_existing=False):
    results = []
    jobs = outputs.plan(sources, out)
    load = partial(lambda matting: matting, matting or Everybody())
    run_all(jobs, load, results.append, Recipe(), skip_existing)
    return results


def statuses(results):
    return [result.status.value for result in results]


@pytest.fixture
def photos(tmp_path):
    """A function that makes a folder of so many small photos."""

    def make(count):
        folder = tmp_path / "in"
        folder.mkdir()
        Image.new("RGB", (9, 7), (200, 50, 90)).save(folder / "0000.png")
        data = (folder / "0000.png").read_bytes()
        for number in range(1, count):
            (folder / ("%04d.png" % number)).write_bytes(data)
        return folder

    return make


def test_photos_are_let_go_once_they_are_made(tmp_path, photos):
    matting = Everybody()
    results = run(expand([str(photos(40))]), tmp_path / "out", matting)
    assert statuses(results) == ["done"] * 40
    assert matting.most_held <= 2


def test_photo_that_is_replaced_after_it_was_read_is_not_taken_for_done(tmp_path, photos):
    [source] = expand([str(photos(1))])

    def read():
        data = source.path.read_bytes()
        Image.new("RGB", (90, 70)).save(source.path)
        return data

    slow = Source(source.name, source.stem, read, Kind.FILE, source.path)
    assert statuses(run([slow], tmp_path / "out")) == ["done"]
    [result] = run([source], tmp_path / "out", skip_existing=True)
    assert (result.status, result.width) == (Status.DONE, 90)
    assert statuses(run([source], tmp_path / "out", skip_existing=True)) == ["skipped"]


def test_a_thousand_photos_are_skipped_without_being_read(tmp_path, photos):
    folder = photos(1000)
    everybody = Everybody()
    assert statuses(run(expand([str(folder)]), tmp_path / "out", everybody)) == ["done"] * 1000
    (folder / "0007.png").unlink()
    (folder / "0012.png").write_bytes(bytes((folder / "0012.png").stat().st_size))
    short = tmp_path / "out" / "0042.png"
    short.write_bytes(short.read_bytes()[:-20])
    sources = expand([str(folder)])
    results = run(sources, tmp_path / "out", everybody, skip_existing=True)
    assert len(results) == 999 and len(everybody.seen) == 1001
    others = {r.job.source.stem: r.status for r in results if r.status is not Status.SKIPPED}
    assert others == {"0012": Status.FAILED, "0042": Status.DONE}


def test_few_files_are_held_before_their_turn(tmp_path, photos):
    """Files may be of a gigabyte each."""
    ahead = []

    class Counting(Everybody):
        def see(self, rgb):
            ahead.append(len(read) - len(self.seen))
            return super().see(rgb)

    def reading(source):
        read.append(source)
        return source.path.read_bytes()

    read = []
    sources = [
        Source(source.name, source.stem, partial(reading, source), Kind.FILE, source.path)
        for source in expand([str(photos(30))])
    ]
    assert statuses(run(sources, tmp_path / "out", Counting())) == ["done"] * 30
    assert max(ahead) <= 1 + running.DECODE_AHEAD


@pytest.mark.parametrize("stage", ["read", "see", "refine", "write"])
@pytest.mark.parametrize("fault", [MemoryError(), cv2.error("(-4) Insufficient memory")])
def test_photo_too_large_for_this_machine_fails_alone(tmp_path, photos, monkeypatch, stage, fault):
    def failing(call):
        def wrapped(*args, **options):
            calls.append(call)
            if len(calls) == 2:
                raise fault
            return call(*args, **options)

        return wrapped

    calls, everybody = [], Everybody()
    owner, name = {
        "read": (running, "decode"),
        "see": (everybody, "see"),
        "refine": (everybody, "alpha"),
        "write": (cutout, "encode"),
    }[stage]
    monkeypatch.setattr(owner, name, failing(getattr(owner, name)))
    results = run(expand([str(photos(4))]), tmp_path / "out", everybody)
    assert statuses(results) == ["done", "failed", "done", "done"]
    assert "0001.png: " in str(results[1].error) and "memory" in str(results[1].error)


def test_what_nobody_foresaw_ends_one_photo_and_names_it(tmp_path, photos):
    class Odd(Everybody):
        value = 0

        def see(self, rgb):
            self.seen.append(rgb)
            if len(self.seen) == 2:
                raise IndexError("index 3 is out of bounds")
            if len(self.seen) == 3:
                raise DeviceError("the graph failed", code="forward_failed")
            return self

    folder = photos(4)
    results = run(expand([str(folder)]), tmp_path / "out", Odd())
    assert statuses(results) == ["done", "failed", "failed", "done"]
    assert [str(result.error) for result in results[1:3]] == [
        "%s: cannot be matted (IndexError: index 3 is out of bounds)" % (folder / "0001.png"),
        "%s: the graph failed" % (folder / "0002.png"),
    ]
    assert [result.error.code for result in results[1:3]] == ["unexpected", "forward_failed"]


@pytest.mark.parametrize("count", [1, 6])
def test_interrupted_what_is_being_written_is_finished_and_reported(
    tmp_path, photos, monkeypatch, count
):
    write, begun, results = disk.write_atomic, [], []

    def write_atomic(path, data):
        begun.append(path)
        write(path, data)

    def check():
        if begun:
            raise KeyboardInterrupt

    monkeypatch.setattr(disk, "write_atomic", write_atomic)
    jobs = outputs.plan(expand([str(photos(count))]), tmp_path / "out")
    with pytest.raises(KeyboardInterrupt):
        run_all(jobs, Everybody, results.append, Recipe(), stop_if_asked=check)
    written = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert 1 <= len(written) <= 3
    assert [result.job.output.name for result in results] == written


def test_what_was_loaded_can_go_while_the_last_photo_is_written(photos):
    matting, may_go, waited = Everybody(), threading.Event(), []
    *first, last = [outputs.Job(source, len) for source in expand([str(photos(3))])]
    last = last._replace(write=lambda data: waited.append(may_go.wait(60)))

    def let_go():
        assert len(matting.seen) == 3
        may_go.set()

    run_all([*first, last], lambda: matting, lambda result: None, Recipe(), when_seen=let_go)
    assert waited == [True]


def test_one_by_one_and_overlapped_jobs_end_the_same(tmp_path, photos):
    """A mixture of all that may become of a photo, done both ways."""

    class Failing(Everybody):
        def see(self, rgb):
            if rgb.shape[:2] == (3, 3):
                raise DeviceError("the graph failed", code="forward_failed")
            return super().see(rgb)

    def outcome(result):
        fields = result.error and (str(result.error), result.error.code)
        return result.status, result.width, result.height, fields, sorted(result.timings)

    folder = photos(4)
    (folder / "bad.jpg").write_bytes(b"no photo")
    Image.new("RGB", (3, 3)).save(folder / "fails.png")
    rgba = np.dstack(
        [np.full((8, 8, 3), 90, np.uint8), np.arange(64, dtype=np.uint8).reshape(8, 8)]
    )
    Image.fromarray(rgba).save(folder / "transparent.png")
    photo = folder / "0001.png"
    sources = expand([str(folder), str(folder / "missing.jpg"), str(photo)])
    results = {}
    for way in ("one", "all"):
        out = tmp_path / way
        jobs = list(outputs.plan(sources, out))
        jobs[-1] = outputs.to_file(jobs[-1].source, photo)  # would overwrite its input
        jobs[0].output.parent.mkdir()
        run([jobs[0].source], out)  # is done already
        matting = Failing()
        if way == "one":
            results[way] = [do_one(job, matting, Recipe(), True) for job in jobs]
        else:
            results[way] = []
            load = partial(lambda matting: matting, matting)
            run_all(jobs, load, results[way].append, Recipe(), True)
            results[way][1].timings.pop("load")
    assert list(map(outcome, results["one"])) == list(map(outcome, results["all"]))
    done = ["skipped", "done", "done", "done"]
    assert statuses(results["one"]) == [*done, "failed", "failed", "done", "failed", "failed"]
    written = [sorted(path.name for path in (tmp_path / way).iterdir()) for way in ("one", "all")]
    assert written[0] == written[1] and len(written[0]) == 5
    for name in written[0]:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "all" / name).read_bytes()


@pytest.mark.parametrize("both", [False, True])
def test_a_folder_in_a_files_place_is_told_before_the_photo_is_seen(tmp_path, photos, both):
    sources, out, matting = expand([str(photos(2))]), tmp_path / "out", Everybody()
    (out / ("0000_matte.png" if both else "0000.png")).mkdir(parents=True)
    results = []
    jobs = outputs.plan(sources, out, both=both)
    run_all(jobs, lambda: matting, results.append, Recipe())
    assert statuses(results) == ["failed", "done"] and len(matting.seen) == 1
    assert str(results[0].error).endswith("cannot be written: it is a folder")
    assert not results[0].timings


def test_a_job_that_writes_to_a_stream_needs_no_file(photos):
    taken = []
    [source] = expand([str(photos(1))])
    result = do_one(outputs.Job(source, taken.append), Everybody(), Recipe())
    assert result.status is Status.DONE and taken[0].startswith(b"\x89PNG")
