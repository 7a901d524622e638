"""PNGs: small and sound."""

from __future__ import annotations

import sys
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageCms

from bshm.codec import png

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.fixture(params=["isal", "zlib"])
def packer(request, monkeypatch):
    """What packs, where a machine has it; zlib is there on all."""
    if request.param == "zlib":
        monkeypatch.setitem(sys.modules, "isal", None)
    else:
        pytest.importorskip("isal")


@pytest.mark.parametrize("shape", [(1, 1), (1, 1, 4), (3, 1, 4), (700, 901), (700, 901, 4)])
def test_png_round_trip(shape, packer):
    array = np.random.RandomState(3).randint(0, 256, shape).astype(np.uint8)
    array[shape[0] // 3 :, shape[1] // 2 :] = 0
    for given in (array, np.asfortranarray(array), np.ascontiguousarray(array[:, ::-1])[:, ::-1]):
        with Image.open(BytesIO(png.encode_png(given, mark="Ä 1"))) as written:
            assert written.mode == ("L" if array.ndim == 2 else "RGBA")
            assert np.array_equal(np.asarray(written), array)
            assert written.info["bshm"] == "Ä 1"


def test_png_of_a_cutout_is_small(packer):
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
