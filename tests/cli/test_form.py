"""The form of results, by the real command: formats, crop, mattes beside cutouts, names."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.helpers import PORTRAITS, bshm, lines, refused

pytestmark = pytest.mark.real_command


@pytest.fixture
def small(tmp_path):
    """A small portrait in a frame that is far too large for it."""
    path = tmp_path / "in" / "small.png"
    path.parent.mkdir()
    frame = Image.new("RGB", (300, 200), (200, 205, 210))
    with Image.open(PORTRAITS[0]) as portrait:
        frame.paste(portrait.convert("RGB").resize((128, 128)), (100, 72))
    frame.save(path)
    return path


def opened(path):
    with Image.open(path) as picture:
        picture.load()
        return picture


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_ending_or_the_flag_says_the_format(tmp_path, small):
    bshm("-i", small, "-o", tmp_path / "cutout.png")
    white = Image.new("RGBA", (300, 200), "white")
    expected = np.asarray(Image.alpha_composite(white, opened(tmp_path / "cutout.png")))[..., :3]

    done = bshm("-i", small, "-o", tmp_path / "cutout.jpg")
    assert sum("the background is white" in line for line in lines(done.stderr)) == 1
    picture = opened(tmp_path / "cutout.jpg")
    assert (picture.format, picture.mode) == ("JPEG", "RGB")
    assert np.abs(np.asarray(picture).astype(int) - expected).mean() < 2

    done = bshm("-q", "-i", small, "-d", tmp_path / "out", "--format", "WebP")
    assert lines(done.stdout) == [str(tmp_path / "out" / "small.webp")] and not done.stderr
    picture = opened(tmp_path / "out" / "small.webp")
    assert (picture.format, picture.mode) == ("WEBP", "RGBA")
    alpha = np.asarray(opened(tmp_path / "cutout.png"))[..., 3]
    assert np.array_equal(np.asarray(picture)[..., 3], alpha)

    done = bshm("-i", small, "-o", "-", "--format", "jpg", "--only-alpha")
    assert done.stdout.startswith(b"\xff\xd8") and b"white" not in done.stderr


def test_outputs_of_every_format_are_known_again(tmp_path, small):
    for ending in ("png", "jpeg", "webp"):
        where = ("-i", small, "-d", small.parent / "out", "--format", ending, "--skip-existing")
        statuses = [json.loads(bshm(*where, "--json").stdout)["status"] for _ in range(2)]
        assert statuses == ["done", "skipped"], ending
    # They are no photos of the next run, and each recipe makes its own.
    bshm("-i", small.parent / "out", "-d", tmp_path, code=1)
    record = json.loads(bshm(*where, "--crop", "--json").stdout)
    assert record["status"] == "done"
    told = [record[name] for name in ("width", "height", "input_width", "input_height")]
    assert told == [*opened(record["output"]).size, *opened(small).size] and told[0] < told[2]


def test_a_photo_beside_is_not_taken_for_an_output(small):
    """Neither another format of it, nor a cutout that was edited since."""
    other = small.with_suffix(".jpg")
    opened(small).save(other)
    before = other.read_bytes()
    done = bshm("-i", small, "-d", small.parent, "--format", "jpeg", code=1)
    assert b"did not make" in done.stderr and other.read_bytes() == before
    other.unlink()
    for _ in range(2):
        bshm("-i", small, "-d", small.parent, "--format", "jpeg")
    opened(other).transpose(Image.FLIP_LEFT_RIGHT).save(other)
    done = bshm("-i", small, "-d", small.parent, "--format", "jpeg", code=1)
    assert b"did not make" in done.stderr


def test_crop_trims_to_the_person_with_a_margin(tmp_path, small):
    sizes = {}
    for margin in (None, "", "10", "50%", "99999"):
        crop = [] if margin is None else ["--crop", *([margin] if margin else [])]
        bshm("-i", small, "-d", tmp_path / "out", *crop)
        sizes[margin] = opened(tmp_path / "out" / "small.png").size
    assert sizes[None] == sizes["99999"] == (300, 200)
    width, height = sizes[""]
    assert 60 < width < 140 and 60 < height < 140
    assert sizes["10"][0] == width + 20
    assert sizes["50%"][0] == width + 2 * round(max(width, height) / 2)


def test_nobody_to_trim_to_leaves_the_photo_whole(tmp_path):
    Image.new("RGB", (90, 60), (30, 90, 160)).save(tmp_path / "sky.png")
    bshm("-i", tmp_path / "sky.png", "-d", tmp_path / "out", "--crop")
    assert opened(tmp_path / "out" / "sky.png").size == (90, 60)


def test_both_is_the_cutout_and_what_only_alpha_makes(tmp_path, small):
    where = ("-i", small, "-d", tmp_path / "out", "--crop", "5", "--skip-existing")
    record = json.loads(bshm(*where, "--both", "--json").stdout)
    assert record["output"] == str(tmp_path / "out" / "small.png")
    assert record["matte"] == str(tmp_path / "out" / "small_matte.png")
    cutout, matte = opened(record["output"]), opened(record["matte"])
    assert np.array_equal(np.asarray(cutout)[..., 3], np.asarray(matte))
    bshm("-i", small, "-o", tmp_path / "alone.png", "--only-alpha", "--crop", "5")
    assert (tmp_path / "alone.png").read_bytes() == Path(record["matte"]).read_bytes()

    done = bshm(*where, "--both", "-v")
    assert not done.stdout and b"already done" in done.stderr
    Path(record["matte"]).unlink()
    assert lines(bshm(*where, "--both").stdout) == [record["output"], record["matte"]]

    bshm("-i", small, "-o", tmp_path / "a.webp", "--both")
    assert opened(tmp_path / "a.webp").mode == "RGBA" and opened(tmp_path / "a_matte.png")


def test_both_mattes_have_names_of_their_own(tmp_path, small):
    shutil.copy(str(small), str(small.with_name("small_matte.png")))
    out = tmp_path / "out"
    bshm("-i", small, small.with_name("small_matte.png"), "-d", out, "--both")
    mattes = ["small_matte-2_matte.png", "small_matte.png"]
    assert names(out) == sorted(["small.png", "small_matte-2.png", *mattes])


def test_a_matte_spares_the_users_files_too(small):
    other = small.with_name("small_cutout_matte.png")
    other.write_bytes(b"mine")
    where = ("-i", small, "-d", small.parent, "--both", "--name", "{stem}_cutout")
    done = bshm(*where, code=1)
    assert b"its matte" in done.stderr and b"did not make" in done.stderr
    assert other.read_bytes() == b"mine"
    assert names(small.parent) == ["small.png", "small_cutout_matte.png"]
    named = ("-i", small, "-o", small.with_name("small_cutout.png"), "--both")
    assert b"its matte" in bshm(*named, code=1).stderr  # -o names the cutout alone
    for arguments in (where, named):
        other.write_bytes(b"mine")
        bshm(*arguments, "--force")
        assert opened(other).mode == "L"


@pytest.mark.parametrize(
    "name, expected",
    [
        ("{stem}_cutout", ["a_cutout.png", "b_cutout.png"]),
        ("me", ["me-2.png", "me.png"]),
        ("{stem} v1.2", ["a v1.2.png", "b v1.2.png"]),
        ("new-{stem}.webp", ["new-a.webp", "new-b.webp"]),
    ],
)
def test_names_by_a_pattern(tmp_path, small, name, expected):
    for letter in "ab":
        small.with_name(letter + ".png").write_bytes(small.read_bytes())
    small.unlink()
    bshm("-i", small.parent, "-d", tmp_path / "out", "--name", name)
    assert names(tmp_path / "out") == expected


@pytest.mark.parametrize("name", ["cut.png", "cut.jpg", "cut.webp"])
def test_the_resolution_and_the_quality_of_files(tmp_path, small, name):
    sizes = []
    for number, quality in enumerate((30, 95)):
        flags = ("--dpi", "254") if name == "cut.png" else ("--dpi", "254", "--quality", quality)
        out = tmp_path / ("%d%s" % (number, name))
        bshm("-i", small, "-o", out, "--background", "teal", *flags)
        sizes.append(out.stat().st_size)
        made = opened(out)
        found = made.getexif().get(0x011A) or made.info["dpi"][0]
        assert found == pytest.approx(254, abs=0.02)
    assert sizes[0] == sizes[1] if name == "cut.png" else 1.5 * sizes[0] < sizes[1]


def test_the_matte_beside_a_cutout_has_its_resolution(tmp_path, small):
    bshm("-i", small, "-d", tmp_path, "--both", "--dpi", "254")
    found = [opened(path).info["dpi"][0] for path in sorted(tmp_path.glob(small.stem + "*.png"))]
    assert found[-2:] == pytest.approx([254, 254], abs=0.02)


def test_a_jpeg_within_kilobytes(tmp_path, small):
    out = tmp_path / "cut.jpg"
    bshm("-i", small, "-o", out, "--background", "teal", "--kb", "8")
    assert 6_000 < out.stat().st_size <= 8_000
    done = bshm("-i", small, "-o", tmp_path / "no.jpg", "--background", "teal", "--kb", "1", code=1)
    assert "at the poorest quality" in lines(done.stderr)[-1]
    assert not (tmp_path / "no.jpg").exists()


def test_a_format_that_is_named_makes_a_file_of_any_ending(tmp_path, small):
    bshm("-i", small, "-o", tmp_path / "cut.part", "--format", "webp")
    bshm("-i", small, "-o", tmp_path / "cut")
    assert [opened(tmp_path / name).format for name in ("cut.part", "cut")] == ["WEBP", "PNG"]


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--quality", "50"], "--quality is for JPEG and WebP"),
        (["--format", "webp", "--quality", "101"], "--quality: expected a quality of 1 to"),
        (["--dpi", "-1"], "--dpi: expected 1 to 9999 pixels an inch, got -1"),
        (["--kb", "20"], "--kb: a range of kilobytes is for JPEGs"),
        (["--kb", "5-2", "-o", "x.jpg"], "--kb: expected kilobytes such as 20-200, got 5-2"),
        (["--kb", "x", "-o", "x.jpg"], "--kb: expected kilobytes such as 200 or 100-500, got x"),
        (["-o", "x.gif"], "-o: expected a name that ends in one of .png .jpg .webp, got 'x.gif'"),
        (["-o", "x.pdf"], "-o: expected a name that ends in one of .png .jpg .webp, got 'x.pdf'"),
        (["-o", "x.txt", "--only-alpha"], "-o: expected a name that ends in one of"),
        (["-o", "a/b.svg", "--background", "red"], "-o: expected a name that ends in one of"),
        (["-o", "x.png", "--format", "webp"], "-o x.png is not the name of a WEBP"),
        (["--format", "gif"], "invalid choice: 'gif'"),
        (["--name", "{stem}.tiff"], "--name: expected a name that ends in one of"),
        (["--name", "{stem}.jpg", "--format", "png"], "--name {stem}.jpg is not the name of a PNG"),
        (["--name", "a/{stem}"], "--name takes a file's name"),
        (["--name", "{n}"], "--name takes a file's name"),
        (["--name", ""], "--name takes a file's name"),
        (["--name", "{stem}_", "-o", "x.png"], "--name is not allowed with -o"),
        (["--crop", "much"], "--crop: expected a margin in pixels or per cent, such as 20 or '5%'"),
        (["--crop=-5"], "got '-5'"),
        (["--both", "--only-alpha"], "--both is not allowed with --only-alpha"),
        (["--both", "-o", "-"], "--both makes two files, and -o - takes one"),
    ],
)
def test_wrong_usage_is_code_2(small, arguments, words):
    assert words in refused("-i", small, *arguments)
