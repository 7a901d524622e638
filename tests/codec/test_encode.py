"""JPEG and WebP beside PNG: the same picture, its profile, and clear refusals."""

from __future__ import annotations

import re
from io import BytesIO

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from bshm.codec.encode import encode, format_of, known
from bshm.errors import OutputError

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.fixture
def cutout():
    """A red disc with a soft edge before nothing, uint8 RGBA."""
    alpha = np.zeros((90, 120), np.uint8)
    cv2.circle(alpha, (60, 45), 30, 255, -1)
    alpha = cv2.GaussianBlur(alpha, (0, 0), 4)
    return np.dstack([np.full_like(alpha, 200), alpha // 9, alpha // 7, alpha])


def opened(data):
    picture = Image.open(BytesIO(data))
    picture.load()
    return picture


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"quality": "90"}, "expected a quality of 1 to 100, got '90'"),
        ({"quality": 90.5}, "expected a quality of 1 to 100, got 90.5"),
        ({"dpi": "300"}, "expected 1 to 9999 pixels an inch, got '300'"),
        ({"kilobytes": ("20", "200")}, "expected kilobytes as (least, most)"),
    ],
)
def test_wrong_values_are_named_and_not_compared(cutout, wanted, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        encode(cutout, "jpeg", **wanted)


def test_a_jpeg_shows_the_cutout_before_white(cutout):
    picture = opened(encode(cutout, "jpeg", SRGB, mark="a"))
    assert (picture.format, picture.mode, picture.size) == ("JPEG", "RGB", (120, 90))
    assert picture.info["icc_profile"] == SRGB
    white = Image.new("RGBA", picture.size, "white")
    expected = Image.alpha_composite(white, Image.fromarray(cutout)).convert("RGB")
    difference = np.abs(np.asarray(picture, int) - np.asarray(expected, int))
    assert difference.mean() < 1.5 and difference.max() < 20
    assert np.asarray(picture)[0, 0].min() >= 254


@pytest.mark.parametrize("mark", ["", "a", "ab"])
def test_a_webp_keeps_alpha_as_it_is(cutout, mark):
    for pixels in (cutout, np.dstack([cutout[..., :3], np.full((90, 120), 255, np.uint8)])):
        picture = opened(encode(pixels, "webp", SRGB, mark=mark))
        assert (picture.format, picture.size) == ("WEBP", (120, 90))
        assert picture.info["icc_profile"] == SRGB
        rgba = np.asarray(picture.convert("RGBA"))
        assert np.array_equal(rgba[..., 3], pixels[..., 3])
        shown = pixels[..., 3] > 128
        assert np.abs(rgba[shown].astype(int) - pixels[shown]).mean() < 4


@pytest.mark.parametrize("mark", ["", "a", "ab"])
def test_a_matte_in_a_webp_loses_nothing(cutout, mark):
    matte = cutout[..., 3]
    assert np.array_equal(np.asarray(opened(encode(matte, "webp", mark=mark)).convert("L")), matte)
    lossy = encode(matte, "webp", quality=20, mark=mark)
    assert len(lossy) < len(encode(matte, "webp"))
    assert np.abs(np.asarray(opened(lossy).convert("L"), int) - matte).mean() < 5


def test_a_matte_in_a_jpeg_is_grey(cutout):
    picture = opened(encode(cutout[..., 3], "jpeg", SRGB))
    assert picture.mode == "L" and "icc_profile" not in picture.info


@pytest.mark.parametrize("format", ["jpeg", "webp"])
def test_marks_do_not_change_the_picture_for_any_reader(cutout, format):
    plain, marked = encode(cutout, format, SRGB), encode(cutout, format, SRGB, mark="a" * 71)
    assert opened(plain).tobytes() == opened(marked).tobytes()
    flags = cv2.IMREAD_UNCHANGED
    both = [cv2.imdecode(np.frombuffer(data, np.uint8), flags) for data in (plain, marked)]
    assert both[0].shape[:2] == (90, 120) and np.array_equal(*both)


@pytest.mark.parametrize("format", ["jpeg", "webp"])
def test_quality_is_worth_bytes(cutout, format):
    sizes = [len(encode(cutout, format, quality=quality)) for quality in (20, 60, 95)]
    assert sizes == sorted(sizes) and sizes[0] < sizes[2]


def test_formats_by_name():
    names = ["png", "PNG", ".png", "jpg", "JPEG", "jpeg", "webp", "WebP"]
    assert [known(name) for name in names] == ["png"] * 3 + ["jpeg"] * 3 + ["webp"] * 2
    for odd in ("gif", "", "tiff", None):
        with pytest.raises(ValueError, match="formats png, jpeg, webp, got"):
            known(odd)


def test_formats_by_the_ending_of_a_file():
    assert [format_of(name) for name in ("a.png", "a.JPG", "b/a.jpeg", "a.webp", "a", "a.v2")] == [
        *("png", "jpeg", "jpeg", "webp", None, None),
    ]
    with pytest.raises(ValueError, match=r"ends in one of \.png \.jpg \.webp, got 'a.gif'"):
        format_of("a.gif")
    whole = [format_of(name, whole=True) for name in ("a.jpe", "b.v2/a", "-")]
    assert whole == ["jpeg", None, None]
    for odd in ("a.pdf", "a.v2"):
        with pytest.raises(ValueError, match="got '%s'" % odd):
            format_of(odd, whole=True)


def test_what_a_format_cannot_hold_is_said(cutout):
    for format, side in (("jpeg", 65501), ("webp", 16384)):
        with pytest.raises(OutputError, match="%d×2 pixels are too many for %s" % (side, format)):
            encode(np.zeros((2, side), np.uint8), format)
    for quality in (0, 101):
        with pytest.raises(ValueError, match="a quality of 1 to 100, got %d" % quality):
            encode(cutout, "jpeg", quality=quality)
    with pytest.raises(ValueError, match=r"got float32 \[90, 120, 4\]"):
        encode(cutout.astype(np.float32), "webp")


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
@pytest.mark.parametrize("mark", ["", "a"])
def test_the_resolution_is_in_the_file(cutout, kind, mark):
    for pixels in (cutout, cutout[..., 3]):
        picture = opened(encode(pixels, kind, SRGB, mark=mark, dpi=254))
        if kind == "webp":
            exif = picture.getexif()
            assert (exif[0x011A], exif[0x011B], exif[0x0128]) == (254, 254, 2)
        else:
            assert picture.info["dpi"] == pytest.approx((254, 254), abs=0.02)
        assert not opened(encode(pixels, kind, SRGB, mark=mark)).getexif()
    with pytest.raises(ValueError, match="pixels an inch"):
        encode(cutout, kind, dpi=0)


@pytest.mark.parametrize("kilobytes", [(0, 30), (20, 40), (100, 500), (64, 64)])
@pytest.mark.parametrize("mark", ["", "a"])
def test_a_jpeg_is_as_large_as_it_is_to_be(kilobytes, mark):
    noise = np.random.default_rng(0).integers(0, 256, (160, 240)).astype(np.uint8)
    noise = np.dstack([cv2.GaussianBlur(noise, (0, 0), 1)] * 3 + [np.full_like(noise, 255)])
    data = encode(noise, "jpeg", SRGB, mark=mark, dpi=300, kilobytes=kilobytes)
    if kilobytes[0] < kilobytes[1]:  # whichever way the form counts
        assert kilobytes[0] * 1024 <= len(data) <= kilobytes[1] * 1000
    else:
        assert 64_000 <= len(data) <= 64 * 1024
    picture = opened(data)
    assert picture.info["dpi"] == (300, 300) and picture.info["icc_profile"] == SRGB
    finer = opened(encode(noise, "jpeg", quality=95))
    if kilobytes[1] >= 64:
        assert np.array_equal(np.asarray(picture), np.asarray(finer))


def test_a_jpeg_that_cannot_be_so_small_is_refused(cutout):
    noise = np.random.default_rng(0).integers(0, 256, (300, 300, 4)).astype(np.uint8)
    with pytest.raises(OutputError, match=r"KB at the poorest quality"):
        encode(noise, "jpeg", kilobytes=(0, 5))
    for wrong in ((5, 2), (-1, 4), (0, 0)):
        with pytest.raises(ValueError, match="expected kilobytes"):
            encode(cutout, "jpeg", kilobytes=wrong)
    for kind, quality in (("png", None), ("jpeg", 80)):
        with pytest.raises(ValueError, match="for JPEGs"):
            encode(cutout, kind, quality=quality, kilobytes=(0, 9))
