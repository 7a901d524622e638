"""Marks: files that bshm made are known again, and told from all others."""

from __future__ import annotations

import os
import struct
import zlib
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageCms

from bshm.codec import marks
from bshm.codec.encode import encode

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
FORMATS = ("png", "jpeg", "webp")
needs_posix = pytest.mark.skipif(os.name == "nt", reason="POSIX only")


def saved(pixels, kind, **options):
    file = BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
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


def kinds(pixels):
    """A cutout with and without transparency, and a matte; each with its options."""
    solid = np.full(pixels.shape[:2], 255, np.uint8)
    yield np.dstack([pixels, pixels[..., 0]]), {"icc": SRGB}
    yield np.dstack([pixels, pixels[..., 0]]), {}
    yield np.dstack([pixels, solid]), {}
    yield pixels[..., 0], {}
    yield pixels[..., 0], {"quality": 60}


@pytest.mark.parametrize("format", FORMATS)
def test_finished_files_are_told_from_the_rest(tmp_path, pixels, format):
    path = tmp_path / "x"
    for array, options in kinds(pixels):
        whole = encode(array, format, mark="cutout of 写真.jpg", **options)
        path.write_bytes(whole)
        assert marks.is_finished(path, "cutout of 写真.jpg")
        assert not marks.is_finished(path, "cutout of another.jpg")
        for length in (0, 7, 20, 40, len(whole) // 2, len(whole) - 1):
            path.write_bytes(whole[:length])
            assert not marks.is_finished(path, "cutout of 写真.jpg"), length
    for foreign in (empty_png(), b"", *(saved(pixels, kind) for kind in FORMATS)):
        path.write_bytes(foreign)
        assert not marks.is_finished(path, "") and not marks.is_finished(path, "cutout of 写真.jpg")
    for nothing in (tmp_path, tmp_path / "missing.png", tmp_path / ("x" * 300)):
        assert not marks.is_finished(nothing, "")


@pytest.mark.parametrize("format", ["png", "jpeg"])
def test_zeros_at_the_end_are_no_end(tmp_path, pixels, format):
    """As after a power cut."""
    whole = encode(pixels[..., 0], format, mark="a")
    (tmp_path / "x").write_bytes(whole[:-12] + bytes(12))
    assert not marks.is_finished(tmp_path / "x", "a")


@pytest.mark.parametrize("format", FORMATS)
def test_own_files_are_told_from_the_rest_whatever_their_mark(tmp_path, pixels, format):
    path = tmp_path / "x"
    for array, options in kinds(pixels):
        for mark in ("a", "cutout of 写真.jpg" * 100):
            path.write_bytes(encode(array, format, mark=mark, **options))
            assert marks.is_own(path)
    own = path.read_bytes()
    plain = encode(pixels[..., 0], format)
    for foreign in (plain, saved(pixels, format), own[:20], own[1:], b""):
        path.write_bytes(foreign)
        assert not marks.is_own(path)
    assert not marks.is_own(tmp_path) and not marks.is_own(tmp_path / "missing.png")


@pytest.mark.parametrize("format", FORMATS)
def test_a_mark_is_gone_once_another_program_has_written_the_file(tmp_path, pixels, format):
    path = tmp_path / ("x." + format)
    path.write_bytes(encode(np.dstack([pixels, pixels[..., 0]]), format, SRGB, mark="a"))
    assert marks.is_own(path)
    with Image.open(path) as picture:
        picture.load()
        picture.save(path, icc_profile=picture.info.get("icc_profile"))
    assert not marks.is_own(path)


@needs_posix
def test_no_pipe_is_waited_for(tmp_path):
    os.mkfifo(str(tmp_path / "x.png"))
    assert not marks.is_finished(tmp_path / "x.png", "a")
    assert not marks.is_own(tmp_path / "x.png")
