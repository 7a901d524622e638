"""Files written whole or not at all. (Reading is tested where photos come from: test_sources.)"""

from __future__ import annotations

import os
import stat
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bshm import disk
from bshm.errors import OutputError

needs_posix = pytest.mark.skipif(os.name == "nt", reason="POSIX only")


def test_write_makes_folders_and_replaces(tmp_path):
    path = tmp_path / "a" / "b" / "Ünï 写真.png"
    disk.write_atomic(path, b"one")
    disk.write_atomic(path, b"two")
    assert path.read_bytes() == b"two"
    assert os.listdir(str(path.parent)) == [path.name]


def test_longest_names_can_be_written(tmp_path):
    path = tmp_path / ("x" * 251 + ".png")
    disk.write_atomic(path, b"data")
    assert path.read_bytes() == b"data"


@needs_posix
def test_mode_follows_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        disk.write_atomic(tmp_path / "x.png", b"data")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "x.png").stat().st_mode) == 0o640


def test_what_cannot_be_written_says_why_and_leaves_nothing(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    for path, words in (
        (tmp_path / "file" / "x.png", "is a file, not a folder"),
        (tmp_path / "file" / "deeper" / "x.png", "is a file, not a folder"),
        (tmp_path / "folder", "it is a folder"),
        (tmp_path / ("x" * 256), "name is too long"),
        (tmp_path / "nul\0.png", "null"),
    ):
        with pytest.raises(OutputError) as caught:
            disk.write_atomic(path, b"data")
        assert words in str(caught.value) and "cannot be written" in str(caught.value)
    assert sorted(os.listdir(str(tmp_path))) == ["file", "folder"]
    assert os.listdir(str(tmp_path / "folder")) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_interruption_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, error):
    path = tmp_path / "x.png"
    path.write_bytes(b"old")

    def interrupted(*_):
        raise error

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(error):
        disk.write_atomic(path, b"new")
    assert path.read_bytes() == b"old" and os.listdir(str(tmp_path)) == ["x.png"]


@pytest.fixture
def mounted(tmp_path):
    """Mounts a tmpfs with given options; gone after the test."""
    points = []

    def mount(options):
        point = tmp_path / ("mount%d" % len(points))
        point.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(point)]
        try:
            subprocess.run(command, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            pytest.skip("a tmpfs cannot be mounted here")
        points.append(point)
        return point

    yield mount
    for point in points:
        subprocess.run(["umount", str(point)], check=True)


def test_full_disk_is_named_and_no_part_of_a_file_stays(mounted):
    folder = mounted("size=64k")
    disk.write_atomic(folder / "small.png", b"data")
    with pytest.raises(OutputError, match="the disk is full"):
        disk.write_atomic(folder / "large.png", bytes(1 << 20))
    assert os.listdir(str(folder)) == ["small.png"]


def test_read_only_disk_is_named(mounted):
    with pytest.raises(OutputError, match="read-only"):
        disk.write_atomic(mounted("ro") / "x.png", b"data")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_devices_are_written_to_and_not_replaced(tmp_path):
    link = tmp_path / "null.png"
    link.symlink_to("/dev/null")
    disk.write_atomic(link, b"data")
    assert link.is_symlink() and not os.path.isfile("/dev/null")
    link = tmp_path / "full.png"
    link.symlink_to("/dev/full")
    with pytest.raises(OutputError, match="the disk is full"):
        disk.write_atomic(link, b"data")
    assert sorted(os.listdir(str(tmp_path))) == ["full.png", "null.png"]


@needs_posix
def test_links_are_followed(tmp_path):
    (tmp_path / "real").mkdir()
    link = tmp_path / "x.png"
    link.symlink_to(tmp_path / "real" / "y.png")
    disk.write_atomic(link, b"data")
    assert link.is_symlink() and (tmp_path / "real" / "y.png").read_bytes() == b"data"


def test_readers_and_writers_at_once_see_whole_files_only(tmp_path):
    path = tmp_path / "x.png"
    versions = [bytes([number]) * 200_000 for number in range(4)]
    disk.write_atomic(path, versions[0])
    over = threading.Event()

    def write(version):
        while not over.is_set():
            disk.write_atomic(path, version)

    with ThreadPoolExecutor(4) as pool:
        writers = [pool.submit(write, version) for version in versions]
        try:
            for _ in range(300):
                assert path.read_bytes() in versions
        finally:
            over.set()  # else a fault would leave the writers at it for ever
        for writer in writers:
            writer.result()
    assert os.listdir(str(tmp_path)) == ["x.png"]


@needs_posix
def test_a_file_that_another_run_clears_up_before_it_is_locked_is_made_again(tmp_path, monkeypatch):
    lock = disk.lock

    def lock_late(file):
        monkeypatch.setattr(disk, "lock", lock)
        disk.clear_up(tmp_path)
        lock(file)

    monkeypatch.setattr(disk, "lock", lock_late)
    with disk.written_whole(tmp_path / "x.png") as file:
        assert os.listdir(str(tmp_path)) == [os.path.basename(file.name)]
        file.write(b"data")
    assert os.listdir(str(tmp_path)) == ["x.png"]


@needs_posix
def test_what_is_cleared_up_is_locked_until_it_is_gone(tmp_path, monkeypatch):
    (tmp_path / (".bshm-%s.tmp" % ("0" * 16))).write_bytes(b"left")
    unlink = os.unlink

    def unlink_locked(path):
        with open(path, "r+b") as file, pytest.raises(BlockingIOError):
            disk.lock(file)
        unlink(path)

    monkeypatch.setattr(os, "unlink", unlink_locked)
    disk.clear_up(tmp_path)
    assert os.listdir(str(tmp_path)) == []


def test_a_folder_is_tried_and_left_as_it_was(tmp_path):
    disk.try_folder(tmp_path / "a" / "b" / "x.png")
    assert os.listdir(str(tmp_path)) == []
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match=r"x\.png: cannot be written: a part of its"):
        disk.try_folder(tmp_path / "file" / "a" / "x.png")
    assert os.listdir(str(tmp_path)) == ["file"]


@pytest.mark.skipif(not os.path.exists("/dev/null"), reason="POSIX only")
def test_devices_need_no_folder_to_be_tried(monkeypatch):
    made = []
    monkeypatch.setattr(os, "makedirs", lambda folder, exist_ok: made.append(folder))
    disk.try_folder(Path("/dev/null"))
    assert made == []
