"""Writing PNGs that are small and whole, and knowing them again."""

from __future__ import annotations

import os
import stat
import struct
import subprocess
import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageCms

from bshm import png
from bshm.errors import OutputError

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
needs_posix = pytest.mark.skipif(os.name == "nt", reason="POSIX only")


def saved(pixels, kind):
    file = BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def empty_png():
    """Sound but for its width of zero."""
    parts = [
        (b"IHDR", struct.pack(">IIBBBBB", 0, 1, 8, 6, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"")),
        (b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in parts
    )


# --- encoding ---


@pytest.mark.parametrize("shape", [(1, 1), (1, 1, 4), (3, 1, 4), (700, 901), (700, 901, 4)])
def test_png_round_trip(shape):
    array = np.random.RandomState(3).randint(0, 256, shape).astype(np.uint8)
    array[shape[0] // 3 :, shape[1] // 2 :] = 0
    for given in (array, np.asfortranarray(array), np.ascontiguousarray(array[:, ::-1])[:, ::-1]):
        with Image.open(BytesIO(png.encode_png(given, mark="Ä 1"))) as written:
            assert written.mode == ("L" if array.ndim == 2 else "RGBA")
            assert np.array_equal(np.asarray(written), array)
            assert written.info["bshm"] == "Ä 1"


def test_png_of_a_cutout_is_small():
    cutout = np.zeros((600, 800, 4), np.uint8)
    cutout[100:500, 300:500] = np.arange(200, dtype=np.uint8)[:, None]
    assert len(png.encode_png(cutout)) < 40_000  # 1.9 MB of pixels


def test_rgb_profile_reaches_the_png(pixels):
    rgba = np.dstack([pixels, pixels[..., 0]])
    with Image.open(BytesIO(png.encode_png(rgba, SRGB))) as written:
        assert written.info["icc_profile"] == SRGB and np.array_equal(np.asarray(written), rgba)


def test_grey_png_takes_no_rgb_profile():
    written = png.encode_png(np.zeros((2, 2), np.uint8), SRGB)
    assert b"iCCP" not in written


@pytest.mark.parametrize(
    "shape, kind", [((4, 4, 3), "u1"), ((0, 4), "u1"), ((4, 4), "f4"), ((4,), "u1")]
)
def test_png_of_other_arrays_is_refused(shape, kind):
    with pytest.raises(ValueError, match=r"expected uint8 \[H, W\] or \[H, W, 4\], got"):
        png.encode_png(np.zeros(shape, kind))


def test_finished_pngs_are_told_from_the_rest(tmp_path, pixels):
    path = tmp_path / "x.png"
    for array in (pixels[..., 0], np.dstack([pixels, pixels[..., 0]])):
        whole = png.encode_png(array, SRGB, "cutout of 写真.jpg")
        path.write_bytes(whole)
        assert png.is_finished_png(path) and png.is_finished_png(path, "cutout of 写真.jpg")
        assert not png.is_finished_png(path, "cutout of another.jpg")
        for length in (0, 7, 20, 40, len(whole) // 2, len(whole) - 1):
            path.write_bytes(whole[:length])
            assert not png.is_finished_png(path), length
        path.write_bytes(whole[:-12] + bytes(12))  # as after a power cut
        assert not png.is_finished_png(path)
    for foreign in (saved(pixels, "PNG"), saved(pixels, "JPEG"), empty_png()):
        path.write_bytes(foreign)
        assert not png.is_finished_png(path)
    assert not png.is_finished_png(tmp_path)
    assert not png.is_finished_png(tmp_path / "missing.png")
    assert not png.is_finished_png(tmp_path / ("x" * 300))


@needs_posix
def test_no_pipe_is_waited_for(tmp_path):
    os.mkfifo(str(tmp_path / "x.png"))
    assert not png.is_finished_png(tmp_path / "x.png")
    assert not png.is_own_png(tmp_path / "x.png")


def test_own_pngs_are_told_from_the_rest_whatever_their_mark(tmp_path, pixels):
    path = tmp_path / "x.png"
    for array in (pixels[..., 0], np.dstack([pixels, pixels[..., 0]])):
        for mark in ("a", "cutout of 写真.jpg" * 100):
            path.write_bytes(png.encode_png(array, SRGB, mark))
            assert png.is_own_png(path)
    own = path.read_bytes()
    for foreign in (png.encode_png(pixels[..., 0]), saved(pixels, "PNG"), own[:45], own[1:], b""):
        path.write_bytes(foreign)
        assert not png.is_own_png(path)
    assert not png.is_own_png(tmp_path) and not png.is_own_png(tmp_path / "missing.png")


# --- atomic writes ---


def test_write_makes_folders_and_replaces(tmp_path):
    path = tmp_path / "a" / "b" / "Ünï 写真.png"
    png.write_atomic(path, b"one")
    png.write_atomic(path, b"two")
    assert path.read_bytes() == b"two"
    assert os.listdir(str(path.parent)) == [path.name]


def test_longest_names_can_be_written(tmp_path):
    path = tmp_path / ("x" * 251 + ".png")
    png.write_atomic(path, b"data")
    assert path.read_bytes() == b"data"


@needs_posix
def test_mode_follows_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        png.write_atomic(tmp_path / "x.png", b"data")
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
            png.write_atomic(path, b"data")
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
        png.write_atomic(path, b"new")
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
            subprocess.run(command, check=True, stdout=-1, stderr=-1)
        except (OSError, subprocess.CalledProcessError):
            pytest.skip("a tmpfs cannot be mounted here")
        points.append(point)
        return point

    yield mount
    for point in points:
        subprocess.run(["umount", str(point)], check=True)


def test_full_disk_is_named_and_no_part_of_a_file_stays(mounted):
    disk = mounted("size=64k")
    png.write_atomic(disk / "small.png", b"data")
    with pytest.raises(OutputError, match="the disk is full"):
        png.write_atomic(disk / "large.png", bytes(1 << 20))
    assert os.listdir(str(disk)) == ["small.png"]


def test_read_only_disk_is_named(mounted):
    with pytest.raises(OutputError, match="read-only"):
        png.write_atomic(mounted("ro") / "x.png", b"data")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_devices_are_written_to_and_not_replaced(tmp_path):
    link = tmp_path / "null.png"
    link.symlink_to("/dev/null")
    png.write_atomic(link, b"data")
    assert link.is_symlink() and not os.path.isfile("/dev/null")
    link = tmp_path / "full.png"
    link.symlink_to("/dev/full")
    with pytest.raises(OutputError, match="the disk is full"):
        png.write_atomic(link, b"data")
    assert sorted(os.listdir(str(tmp_path))) == ["full.png", "null.png"]


@needs_posix
def test_links_are_followed(tmp_path):
    (tmp_path / "real").mkdir()
    link = tmp_path / "x.png"
    link.symlink_to(tmp_path / "real" / "y.png")
    png.write_atomic(link, b"data")
    assert link.is_symlink() and (tmp_path / "real" / "y.png").read_bytes() == b"data"


def test_readers_and_writers_at_once_see_whole_files_only(tmp_path):
    path = tmp_path / "x.png"
    versions = [bytes([number]) * 200_000 for number in range(4)]
    png.write_atomic(path, versions[0])
    over = threading.Event()

    def write(version):
        while not over.is_set():
            png.write_atomic(path, version)

    with ThreadPoolExecutor(4) as pool:
        writers = [pool.submit(write, version) for version in versions]
        until = time.monotonic() + 0.3
        while time.monotonic() < until:
            assert path.read_bytes() in versions
        over.set()
        for writer in writers:
            writer.result()
    assert os.listdir(str(tmp_path)) == ["x.png"]
