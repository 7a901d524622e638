"""The Python interface: photos in any form, one Matting a process, threads, forks and refusals."""

from __future__ import annotations

import copy
import importlib.util
import os
import pickle
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps

import bshm
from bshm import api
from bshm.codec import given as codec_given
from bshm.scene.compose import scene_of
from tests.helpers import PORTRAITS, ROOT

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.fixture(scope="module")
def matting():
    with bshm.Matting(weights="bshm-lite") as matting:
        yield matting


@pytest.fixture(scope="module")
def portrait():
    """A small one, RGB."""
    with Image.open(PORTRAITS[0]) as picture:
        return picture.convert("RGB").resize((160, 160))


@pytest.fixture(scope="module")
def photo(tmp_path_factory, portrait):
    """The file of it, with a profile."""
    path = tmp_path_factory.mktemp("photos") / "photo.png"
    portrait.save(path, icc_profile=SRGB)
    return path


@pytest.fixture(scope="module")
def expected(matting, photo):
    return matting.cutout(photo)


def run_python(program, *arguments):
    """What a program prints, in a process of its own, with the small weights."""
    command = [sys.executable, "-c", program, *map(str, arguments)]
    done = subprocess.run(command, cwd=str(ROOT), capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().split()


# --- what a photo may be given as ---


@pytest.mark.parametrize(
    "given",
    [
        str,
        Path,
        Path.read_bytes,
        lambda path: bytearray(path.read_bytes()),
        lambda path: memoryview(path.read_bytes()),
        lambda path: BytesIO(path.read_bytes()),
        lambda path: path.open("rb"),
        Image.open,
        lambda path: bshm.decode(path.read_bytes(), "photo.png"),
    ],
    ids=["str", "path", "bytes", "bytearray", "memoryview", "BytesIO", "file", "picture", "photo"],
)
def test_files_and_pictures_keep_their_profile(matting, photo, expected, given):
    cut = matting.cutout(given(photo))
    np.testing.assert_array_equal(cut.rgba, expected.rgba)
    assert cut.icc == SRGB
    assert 0 < cut.coverage < 1 and cut.box.area > 1000


@pytest.mark.parametrize("order", "CFN")
def test_arrays_of_any_layout_are_photos(matting, portrait, expected, order):
    rgb = np.asarray(portrait)
    given = {"C": rgb, "F": np.asfortranarray(rgb), "N": rgb[..., ::-1].copy()[..., ::-1]}[order]
    cut = matting.cutout(given)
    np.testing.assert_array_equal(cut.rgba, expected.rgba)
    assert cut.icc is None
    np.testing.assert_allclose(cut.alpha, matting.alpha(given), atol=0.5 / 255 + 1e-6)


def test_transparency_of_arrays_and_pictures_stays(matting, portrait, expected):
    alpha = np.full((160, 160), 255, np.uint8)
    alpha[:80] = 0
    rgba = np.dstack([np.asarray(portrait), alpha])
    for given in (rgba, Image.fromarray(rgba)):
        cut = matting.cutout(given)
        assert not cut.rgba[:80].any()
        np.testing.assert_array_equal(cut.rgba[80:], expected.rgba[80:])
    rgba[..., 3] = 255
    np.testing.assert_array_equal(matting.cutout(rgba).rgba, expected.rgba)


def test_grey_is_a_photo_too(matting, portrait):
    grey = portrait.convert("L")
    three = matting.cutout(np.asarray(grey.convert("RGB"))).rgba
    for given in (grey, np.asarray(grey), np.asarray(grey)[..., None]):
        np.testing.assert_array_equal(matting.cutout(given).rgba, three)


@pytest.mark.parametrize("mode", ["P", "CMYK", "YCbCr", "HSV", "LA", "PA", "RGBX", "1", "F", "I"])
def test_pictures_of_any_mode_are_photos(matting, portrait, mode):
    if mode == "PA":
        picture = portrait.convert("P")
        picture.putalpha(255)
    else:
        picture = (portrait.convert("L") if mode in "LAFI" else portrait).convert(mode)
    assert picture.mode == mode or mode == "PA"
    before = picture.tobytes(), dict(picture.info)
    assert matting.cutout(picture).rgba.shape == (160, 160, 4)
    assert (picture.tobytes(), picture.info) == before


def test_a_picture_is_turned_upright_once(matting, portrait, expected):
    exif = Image.Exif()
    exif[0x0112] = 6  # stored lying on its left side
    file = BytesIO()
    portrait.transpose(Image.ROTATE_90).save(file, "PNG", exif=exif)
    lying = Image.open(BytesIO(file.getvalue()))
    for given in (lying, ImageOps.exif_transpose(lying), file.getvalue()):
        np.testing.assert_array_equal(matting.cutout(given).rgba, expected.rgba)


def test_a_picture_with_a_transparent_colour_is_left_as_it_was(matting):
    picture = Image.new("RGB", (8, 8))
    picture.info["transparency"] = (300, 0, 0)
    matting.cutout(picture)
    assert picture.info["transparency"] == (300, 0, 0)


@pytest.mark.parametrize(
    "given, error, words",
    [
        (
            None,
            TypeError,
            "expected a path, bytes, a binary file, a Pillow picture or a uint8 RGB ",
        ),
        (7, TypeError, "array, got int"),
        ([[1, 2], [3, 4]], TypeError, "got list"),
        (np.zeros((4, 4, 3)), ValueError, r"got float64 \[4, 4, 3\]"),
        (np.zeros((4, 4, 2), np.uint8), ValueError, r"grey \[H, W\], got uint8 \[4, 4, 2\]"),
        (np.zeros((1, 4, 4, 3), np.uint8), ValueError, r"got uint8 \[1, 4, 4, 3\]"),
        (np.zeros((0, 4, 3), np.uint8), ValueError, r"got uint8 \[0, 4, 3\]"),
        (np.zeros((), np.uint8), ValueError, r"got uint8 \[\]"),
        ("no/such.jpg", bshm.InputError, "no/such.jpg: cannot be read: No such file"),
        (".", bshm.InputError, "is a folder, not a photo"),
        (b"", bshm.InputError, "bytes: the file is empty"),
        (b"photo.jpg", bshm.InputError, "bytes: is text, not an image"),
        (BytesIO(b"GIF89a"), bshm.InputError, "file: the GIF file is truncated or damaged"),
        ("https://me:secret@example.org/a.jpg", bshm.InputError, "got an address: fetch it first"),
    ],
)
def test_what_is_no_photo_is_refused_with_what_was_expected(matting, given, error, words):
    with pytest.raises(error, match=words) as caught:
        matting.cutout(given)
    assert "\n" not in str(caught.value) and "secret" not in str(caught.value)
    if error is bshm.InputError:
        assert caught.value.code


def test_a_text_file_is_no_binary_file(matting, photo):
    with open(str(photo), encoding="latin-1") as file, pytest.raises(TypeError, match="got str"):
        matting.cutout(file)


def test_too_large_files_and_pictures_are_refused(matting, photo, portrait):
    for given in (photo, portrait):
        with pytest.raises(bshm.InputError, match="over the limit") as caught:
            matting.cutout(given, max_pixels=1000)
        assert caught.value.code == "too_many_pixels"


# --- what is made of it ---


def test_fields_of_a_recipe_are_words_of_the_call(matting, photo, expected):
    matte = matting.cutout(photo, only_alpha=True)
    np.testing.assert_array_equal(matte.pixels, expected.matte)
    trimmed, (top, bottom, left, right) = matting.cutout(photo, crop=0), expected.box
    assert (bottom - top) * (right - left) < 160 * 160
    np.testing.assert_array_equal(trimmed.rgba, expected.rgba[top:bottom, left:right])
    with pytest.raises(TypeError, match=r"unknown: background; .* cutout\.on\(background, photo\)"):
        matting.cutout(photo, background="white")
    for crop, same in ((True, 0), (False, None)):
        pixels = matting.cutout(photo, crop=crop).rgba
        np.testing.assert_array_equal(pixels, matting.cutout(photo, crop=same).rgba)
    with pytest.raises(TypeError, match=r"format, quality: give that to save\(\)"):
        matting.cutout(photo, format="jpeg", quality=10)
    with pytest.raises(ValueError, match="a margin in pixels or per cent"):
        matting.cutout(photo, crop=0.05)


def test_a_scene_of_the_call_names_a_picture_of_this_disk(tmp_path, matting, photo, expected):
    path = tmp_path / "behind.png"
    Image.new("RGB", (20, 20), "navy").save(path)
    made = matting.cutout(photo, scene=scene_of(str(path)))
    np.testing.assert_array_equal(made.pixels[0, 0], [0, 0, 128])
    with pytest.raises(bshm.InputError, match=r"missing\.png: cannot be read"):
        matting.cutout(photo, scene=scene_of("missing.png"))


def test_a_cutout_shows_itself(expected):
    height, width = expected.matte.shape
    assert repr(expected).startswith("<bshm.Cutout of %d×%d pixels, " % (width, height))
    assert repr(expected.on("white")).startswith("<bshm.Composite of ")
    with Image.open(BytesIO(expected._repr_png_())) as picture:
        assert picture.size == (width, height)


def test_a_colour_may_be_levels(expected):
    white = expected.on("white").pixels
    np.testing.assert_array_equal(expected.on((255, 255, 255)).pixels, white)
    np.testing.assert_array_equal(expected.on((255, 255, 255, 255)).pixels, white)
    assert expected.on((0, 0, 0, 0)).pixels[..., 3].min() == 0
    for wrong in ((256, 0, 0), (0.5, 0, 0)):
        with pytest.raises(ValueError, match="levels of 0 to 255"):
            expected.on(wrong)


def test_kilobytes_are_a_pair(expected):
    with pytest.raises(ValueError, match=r"kilobytes as \(least, most\), .* got 200"):
        expected.encode("jpeg", kilobytes=200)


def test_pictures_made_of_it_have_the_profile(tmp_path, expected):
    picture = expected.pil()
    assert picture.mode == "RGBA" and picture.info["icc_profile"] == SRGB
    picture.save(tmp_path / "a.png")
    expected.save(tmp_path / "b.png")
    with Image.open(tmp_path / "a.png") as one, Image.open(tmp_path / "b.png") as other:
        assert one.tobytes() == other.tobytes()
        assert one.info["icc_profile"] == other.info["icc_profile"] == SRGB


def test_the_stages_of_a_call_can_be_timed(matting, photo):
    from bshm import timing

    with timing.collect() as timings:
        matting.cutout(photo)
    assert set(timings) == {"read", "forward", "refine", "foreground"}


# --- one for the process ---


def test_one_matting_is_kept_for_each_choice(monkeypatch, photo, expected):
    monkeypatch.setattr(api, "_kept", api._Kept())
    made = []

    class Counting(bshm.Matting):
        def __init__(self, **options):
            made.append(options)
            super().__init__(**options)

    monkeypatch.setattr(api, "Matting", Counting)
    with ThreadPoolExecutor(8) as pool:
        cuts = list(
            pool.map(lambda _: bshm.cutout(photo, weights="bshm-lite", threads=1), range(16))
        )
    assert len(made) == 1
    bshm.cutout(photo, weights="bshm-lite", threads=2, only_alpha=True)
    assert [options["threads"] for options in made] == [1, 2]
    for cut in cuts:
        assert np.abs(cut.rgba.astype(int) - expected.rgba).max() <= 1


def test_a_matting_that_cannot_be_made_is_not_kept(photo):
    for _ in range(2):
        with pytest.raises(bshm.WeightsError, match=r"no/such\.onnx"):
            bshm.cutout(photo, weights=Path("no/such.onnx"))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_makes_its_own_and_ends(photo):
    """Freeing the parent's engine there would wait for threads that a fork does not copy."""
    program = (
        "import os, sys, threading, bshm\n"
        "photo, lite = sys.argv[1], dict(weights='bshm-lite', threads=2)\n"
        "own = bshm.Matting(**lite)\n"
        "before = own.cutout(photo).coverage, bshm.cutout(photo, **lite).coverage\n"
        "print(before[0] == before[1] > 0, flush=True)\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    with own:\n"
        "        try: own.alpha(bshm.cutout(photo, **lite).rgba[..., :3])\n"
        "        except bshm.DeviceError as error: print(error.code, flush=True)\n"
        "    try: print(bshm.cutout(photo, **lite).coverage == before[0], flush=True)\n"
        "    except bshm.DeviceError as error: print(error.code, flush=True)\n"
        "    sys.exit(0)\n"
        "print(os.waitpid(child, 0)[1])\n"
        "print(own.cutout(photo).coverage == before[0])\n"
    )
    # TensorFlow's threads stay with the parent, and it can make no others: it says so.
    own = "True" if importlib.util.find_spec("onnxruntime") else "other_process"
    assert run_python(program, photo) == ["True", "other_process", own, "0", "True"]


def test_a_matting_does_not_travel_and_a_cutout_does(matting, expected):
    for take in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="make one in each process"):
            take(matting)
    again = pickle.loads(pickle.dumps(expected))
    np.testing.assert_array_equal(again.rgba, expected.rgba)


def test_threads_that_share_one_hold_no_more_photos_than_it_works_on(matting, monkeypatch):
    """Of 12 photos that wait, none is decoded."""
    lock, inside, most = threading.Lock(), [], []
    decode = codec_given.decode

    def counting(*arguments):
        with lock:
            inside.append(1)
            most.append(len(inside))
        return decode(*arguments)

    def finish(*arguments):
        with lock:
            inside.pop()

    monkeypatch.setattr(codec_given, "decode", counting)
    monkeypatch.setattr(api, "finish", finish)
    data = PORTRAITS[0].read_bytes()
    with bshm.Matting(weights="bshm-lite", threads=2) as shared, ThreadPoolExecutor(12) as pool:
        list(pool.map(shared.cutout, [data] * 12))
    assert max(most) <= 2


def test_help_shows_what_can_be_given():
    for text in (bshm.Matting.__init__.__doc__, bshm.Matting.cutout.__doc__, bshm.cutout.__doc__):
        assert len(text) > 200
