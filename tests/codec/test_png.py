"""PNGs: small, sound, and known again."""

from __future__ import annotations

import os
import struct
import zlib
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageCms

from bshm.codec import png

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
