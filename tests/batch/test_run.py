"""Runs over many photos, with a stand-in for the network: what is held, and what is recorded."""

from __future__ import annotations

import weakref
from functools import partial

import cv2
import numpy as np
import pytest
from PIL import Image

from bshm import disk
from bshm.batch import outputs
from bshm.batch import run as batch
from bshm.batch.sources import Source, expand
from bshm.errors import DeviceError


class Everybody:
    """A stand-in for Matting that takes all for people, and counts the photos still held."""

    def __init__(self):
        self.seen, self.most_held = [], 0

    def alpha(self, rgb, timings=None):
        return np.ones(rgb.shape[:2], np.float32)

    def cutout(self, rgb, timings=None):
        self.seen.append(weakref.ref(rgb))
        self.most_held = max(self.most_held, sum(ref() is not None for ref in self.seen))
        return np.dstack([rgb, np.full(rgb.shape[:2], 255, np.uint8)])

    def close(self):
        pass


def run(sources, out, matting=None, **options):
    results = []
    jobs = outputs.plan(sources, out)
    load = partial(lambda matting: matting, matting or Everybody())
    batch.run(jobs, load, results.append, batch.Options(**options))
    return results


def statuses(results):
    return [result.status for result in results]


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


def test_photos_are_let_go_once_they_are_matted(tmp_path, photos):
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

    slow = Source(source.name, source.stem, read, source.path)
    assert statuses(run([slow], tmp_path / "out")) == ["done"]
    [result] = run([source], tmp_path / "out", skip_existing=True)
    assert (result.status, result.width) == ("done", 90)
    assert statuses(run([source], tmp_path / "out", skip_existing=True)) == ["skipped"]


def test_five_thousand_photos_are_skipped_without_being_read(tmp_path, photos):
    folder = photos(5000)
    everybody = Everybody()
    assert statuses(run(expand([str(folder)]), tmp_path / "out", everybody)) == ["done"] * 5000
    (folder / "0007.png").unlink()
    (folder / "0012.png").write_bytes(bytes((folder / "0012.png").stat().st_size))
    (tmp_path / "out" / "0042.png").write_bytes(b"cut short")
    sources = expand([str(folder)])
    results = run(sources, tmp_path / "out", everybody, skip_existing=True)
    assert len(results) == 4999 and len(everybody.seen) == 5001
    others = {r.job.source.stem: r.status for r in results if r.status != "skipped"}
    assert others == {"0012": "failed", "0042": "done"}


def test_few_files_are_held_before_their_turn(tmp_path, photos):
    """Files may be of a gigabyte each."""
    ahead = []

    class Counting(Everybody):
        def cutout(self, rgb, timings=None):
            ahead.append(len(read) - len(self.seen))
            return super().cutout(rgb, timings)

    def reading(source):
        read.append(source)
        return source.path.read_bytes()

    read = []
    sources = [
        Source(source.name, source.stem, partial(reading, source), source.path)
        for source in expand([str(photos(30))])
    ]
    assert statuses(run(sources, tmp_path / "out", Counting())) == ["done"] * 30
    assert max(ahead) <= 1 + batch.DECODE_AHEAD


@pytest.mark.parametrize("stage", ["read", "matte", "write"])
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
        "read": (batch, "decode"),
        "matte": (everybody, "cutout"),
        "write": (batch.png, "encode_png"),
    }[stage]
    monkeypatch.setattr(owner, name, failing(getattr(owner, name)))
    results = run(expand([str(photos(4))]), tmp_path / "out", everybody)
    assert statuses(results) == ["done", "failed", "done", "done"]
    assert "0001.png: " in results[1].error and "memory" in results[1].error


def test_what_nobody_foresaw_ends_one_photo_and_names_it(tmp_path, photos):
    class Odd(Everybody):
        def cutout(self, rgb, timings=None):
            self.seen.append(rgb)
            if len(self.seen) == 2:
                raise IndexError("index 3 is out of bounds")
            if len(self.seen) == 3:
                raise DeviceError("the graph failed")
            return np.dstack([rgb, rgb[..., 0]])

    folder = photos(4)
    results = run(expand([str(folder)]), tmp_path / "out", Odd())
    assert statuses(results) == ["done", "failed", "failed", "done"]
    assert [result.error for result in results[1:3]] == [
        "%s: cannot be matted (IndexError: index 3 is out of bounds)" % (folder / "0001.png"),
        "%s: the graph failed" % (folder / "0002.png"),
    ]


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
        batch.run(jobs, Everybody, results.append, batch.Options(), check)
    written = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert 1 <= len(written) <= 3
    assert [result.job.output.name for result in results] == written
