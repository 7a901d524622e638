"""The command with people on something new."""

from __future__ import annotations

import json
import os
import time

import numpy as np
import pytest
from PIL import Image, ImageCms

from bshm.cli import scene_flags
from bshm.scene import background
from tests.helpers import PORTRAITS, bshm, lines, refused

pytestmark = pytest.mark.real_command


@pytest.fixture(scope="module")
def cutout(tmp_path_factory):
    """The first portrait, cut out as ever: its RGBA."""
    path = tmp_path_factory.mktemp("plain") / "cut.png"
    bshm("-i", PORTRAITS[0], "-o", path)
    return np.asarray(Image.open(path)).astype(int)


@pytest.fixture(scope="module")
def beach(tmp_path_factory):
    """A warm and dark picture."""
    path = tmp_path_factory.mktemp("pictures") / "beach.png"
    random = np.random.default_rng(0).integers(0, 90, (60, 80, 1))
    Image.fromarray((random * [1.0, 0.8, 0.6]).astype(np.uint8)).save(path)
    return path


def _made(tmp_path, *flags):
    path = tmp_path / "made.png"
    bshm("-i", PORTRAITS[0], "-o", path, *flags)
    return Image.open(path)


def test_a_colour_behind_the_person(tmp_path, cutout):
    made = np.asarray(_made(tmp_path, "--background", "4b6190")).astype(int)
    assert made.shape == cutout.shape and (made[..., 3] == 255).all()
    alpha = cutout[..., 3:]
    wanted = (alpha * cutout[..., :3] + (255 - alpha) * [0x4B, 0x61, 0x90]) / 255
    assert np.abs(made[..., :3] - wanted).max() < 2.5  # alpha of the cutout has 255 steps


def test_a_picture_lights_the_person_unless_told_otherwise(tmp_path, cutout, beach):
    lit = np.asarray(_made(tmp_path, "--background", beach)).astype(int)
    unlit = np.asarray(_made(tmp_path, "--background", beach, "--light", "off")).astype(int)
    solid = cutout[..., 3] == 255
    assert np.abs(unlit[solid] - cutout[solid]).max() <= 1
    assert lit[solid].mean() < unlit[solid].mean() - 8


def test_wishes_that_a_photo_does_not_allow_are_said(tmp_path):
    """The lower edge cuts her legs off, and the left one a sleeve."""
    wishes = ("--background", "white", "--shadow", "cast", "--position", "right")
    done = bshm("-i", PORTRAITS[0], "-o", tmp_path / "made.png", *wishes, "--json")
    said = [line.split(": ")[-1] for line in lines(done.stderr)]
    assert said[1:] == [
        "nobody stands in the frame, so no shadow falls; drop and auto need no ground",
        "cut off by an edge of the photo, people stay there, and --position moves nobody",
    ]
    assert json.loads(done.stdout)["unmet"] == ["shadow", "position"]


def test_one_command_does_many_with_one_scene_and_knows_them_again(tmp_path, beach):
    flags = ("-i", *PORTRAITS, "-d", tmp_path, "--background", beach, "--skip-existing", "--json")
    first = [json.loads(line) for line in lines(bshm(*flags).stdout)]
    again = [json.loads(line) for line in lines(bshm(*flags).stdout)]
    assert [each["status"] for each in first] == ["done", "done"]
    assert [each["status"] for each in again] == ["skipped", "skipped"]
    other = bshm(*flags, "--shadow", "drop")
    assert [json.loads(line)["status"] for line in lines(other.stdout)] == ["done", "done"]


def test_of_a_folder_of_backgrounds_each_photo_takes_the_next(tmp_path):
    pictures, out = tmp_path / "pictures", tmp_path / "out"
    pictures.mkdir()
    for number, colour in enumerate([(200, 0, 0), (0, 0, 200)]):
        Image.new("RGB", (30, 30), colour).save(pictures / ("%d.png" % number))
    photos = [*PORTRAITS, PORTRAITS[0]]
    bshm("-i", *photos, "-d", out, "--background", pictures)
    corners = [np.asarray(Image.open(path))[2, 2, :3].tolist() for path in sorted(out.iterdir())]
    assert corners == [[200, 0, 0], [200, 0, 0], [0, 0, 200]]  # 1.png, 1-2.png, 2.png
    (pictures / "2.png").write_bytes(b"no picture")
    done = bshm("-i", *photos, "-d", tmp_path / "none", "--background", pictures, code=1)
    assert len(lines(done.stderr)) == 1 and "2.png" in lines(done.stderr)[0]
    assert not (tmp_path / "none").exists()


def test_of_a_folder_of_backgrounds_what_they_show_is_known_again(tmp_path):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for name in ("1.png", "2.png"):
        Image.new("RGB", (30, 30), "red").save(pictures / name)
    flags = ("-i", *PORTRAITS, "-d", tmp_path / "out", "--background", pictures)
    bshm(*flags)

    def statuses():
        done = bshm(*flags, "--skip-existing", "--json")
        return [json.loads(line)["status"] for line in lines(done.stdout)]

    assert statuses() == ["skipped", "skipped"]
    Image.new("RGB", (30, 30), "blue").save(pictures / "2.png")
    assert statuses() == ["skipped", "done"]
    (pictures / "2.png").rename(pictures / "3.png")
    assert statuses() == ["skipped", "skipped"]


def test_a_background_may_be_an_address_and_is_fetched_once(tmp_path, web, beach):
    data = beach.read_bytes()
    web["/pictures/beach.png"] = lambda request: request.reply(data, Content_Type="image/png")
    flags = ("--background", web.url("/pictures/beach.png"), "--light", "off")
    bshm("-i", *PORTRAITS, "-d", tmp_path / "web", *flags)
    assert len(web.requests) == 1
    bshm("-i", *PORTRAITS, "-d", tmp_path / "disk", "--background", beach, "--light", "off")
    for name in ("1.png", "2.png"):
        pictures = [np.asarray(Image.open(tmp_path / way / name)) for way in ("web", "disk")]
        assert np.array_equal(*pictures)


@pytest.mark.parametrize(
    "answer, told",
    [
        (lambda request: request.reply(b"gone", status=404), "404"),
        (lambda request: request.reply(b"<html>no picture</html>"), "is a web page, not an image"),
        (lambda request: request.reply(b"", Content_Length=200_000_000), "limit of 100 MB"),
    ],
)
def test_an_address_without_a_background_is_one_line(tmp_path, web, answer, told):
    web["/beach.png"] = answer
    flags = ("--background", web.url("/beach.png", "me:secret@"))
    done = bshm("-i", PORTRAITS[0], "-d", tmp_path, *flags, code=1)
    (said,) = lines(done.stderr)
    assert told in said and "/beach.png" in said and "secret" not in said
    assert not list(tmp_path.iterdir())


def test_small_people_on_nothing_keep_their_shadow_in_the_frame(tmp_path):
    """The frame grows, if it must, and --json says by how much."""
    out = tmp_path / "made.png"
    flags = ("--scale", "60%", "--position", "right", "--shadow", "drop:azimuth=270")
    told = json.loads(bshm("-i", PORTRAITS[0], "-o", out, "--json", *flags).stdout)
    left, top, right, bottom = told.get("grown", [0, 0, 0, 0])
    made = Image.open(out)
    assert made.mode == "RGBA"
    assert made.size == (told["width"], told["height"])
    assert made.size == (told["input_width"] + left + right, told["input_height"] + top + bottom)
    assert bottom == 0  # the frame cuts the person off there


def test_a_frame_that_is_trimmed_has_not_grown(tmp_path):
    flags = ("-i", PORTRAITS[1], "-d", tmp_path, "--json", "--shadow", "drop:opacity=0.9")
    whole, trimmed = (json.loads(bshm(*flags, *more).stdout) for more in ([], ["--crop"]))
    assert any(whole["grown"]) and "grown" not in trimmed


@pytest.mark.parametrize(
    "shadow, says", [("cast", True), ("contact", True), ("cast:opacity=0", False), ("auto", False)]
)
def test_a_shadow_that_needs_ground_says_so_of_a_bust(tmp_path, cutout, shadow, says):
    done = bshm("-i", PORTRAITS[0], "-o", tmp_path / "made.png", "--shadow", shadow)
    made = np.asarray(Image.open(tmp_path / "made.png"))
    said = [line for line in lines(done.stderr) if "no shadow falls" in line]
    assert len(said) == says
    assert np.array_equal(made[..., 3], cutout[..., 3]) == (shadow != "auto")
    quiet = bshm("-q", "-i", PORTRAITS[0], "-o", tmp_path / "made.png", "--shadow", shadow)
    assert not quiet.stderr


def test_the_photos_profile_stays_and_colours_are_brought_into_it(tmp_path):
    photo, out = tmp_path / "lab.jpg", tmp_path / "made.png"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    # A profile whose red and blue are swapped: its coded red is blue.
    swapped = bytearray(profile)
    tags = {profile[at : at + 4]: at for at in range(132, 132 + 12 * 32, 12)}
    swapped[tags[b"rXYZ"] : tags[b"rXYZ"] + 4] = b"bXYZ"
    swapped[tags[b"bXYZ"] : tags[b"bXYZ"] + 4] = b"rXYZ"
    Image.open(PORTRAITS[0]).convert("RGB").save(photo, icc_profile=bytes(swapped), quality=90)
    bshm("-i", photo, "-o", out, "--background", "red")
    made = Image.open(out)
    assert made.info["icc_profile"] == bytes(swapped)
    red, green, blue, _ = np.asarray(made)[2, 2]
    assert blue > 245 and red < 12 and green < 12


@pytest.mark.parametrize(
    "flags, told, code",
    [
        (("--background", "#ggg"), "no CSS name", 2),
        (("--background", "red..blau"), "no colour", 2),
        (("--background", "blur:7"), "from 0 to 1", 2),
        (("--background", "red", "--position", "up"), "expected left", 2),
        (("--background", "red", "--scale", "0"), "from 0.05 to 4", 2),
        (("--background", "red", "--light", "bright"), "from 0 to 1", 2),
        (("--shadow", "glow"), "one of auto", 2),
        (("--light", "off"), "--background", 2),
        (("--only-alpha", "--background", "red"), "--only-alpha", 2),
        (("--fit", "tile"), "--fit is how a background fills the frame", 2),
        (("--shadow", "none:opacity=1"), "--shadow none:opacity=1: there is nothing", 2),
        (("--background", "missing.jpg"), "missing.jpg: no such file", 1),
        (("--background", "torquoise"), "no such file or folder; did you mean turquoise?", 1),
        (("--background", "qzx"), "qzx: no CSS colour, and no such file or folder\n", 1),
        (("--background", os.path.dirname(__file__)), ".avif)\n", 1),
        (("--background", __file__), "test_scene.py", 1),
        (("--background", PORTRAITS[1], "--max-pixels", "0.01"), "--max-pixels", 1),
        (("--background", "http://127.0.0.1:9/beach.jpg"), "127.0.0.1:9/beach.jpg", 1),
        (("--background", "-"), "backgrounds do not", 1),
    ],
)
def test_what_is_wrong_is_one_line_before_any_photo_is_matted(
    tmp_path, monkeypatch, flags, told, code
):
    monkeypatch.setattr(time, "sleep", lambda seconds: None)  # before an address is tried again
    refusal = refused("-i", PORTRAITS[0], "-d", tmp_path, *flags, code=code)
    *_, said = refusal.splitlines(keepends=True)
    assert said.startswith("bshm: ") and told in said
    assert not list(tmp_path.iterdir()) and "bshm-lite" not in said


def test_the_help_knows_all_fits():
    assert scene_flags.FITS == background.FITS
