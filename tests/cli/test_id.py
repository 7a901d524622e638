"""``bshm id``: ID photos of real portraits, and of portraits that break a rule."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from tests.helpers import PORTRAITS, bshm, lines, refused

pytestmark = pytest.mark.real_command


def _records(done):
    return [json.loads(line) for line in lines(done.stdout)]


def test_a_folder_of_portraits_becomes_id_photos(tmp_path):
    flags = ("--size", "1inch", "--background", "628bce", "--json", "--kb", "20-60")
    records = _records(bshm("id", *PORTRAITS, "-d", tmp_path, *flags))
    assert [each["output"] for each in records] == [
        str(tmp_path / name) for name in ("1.jpg", "2.jpg")
    ]
    for record in records:
        made = Image.open(record["output"])
        assert (made.format, made.mode, made.size) == ("JPEG", "RGB", (295, 413))
        assert made.info["dpi"] == (300, 300)
        assert (record["width"], record["height"]) == made.size
        assert (record["input_width"], record["input_height"]) in ((512, 512), (512, 600))
        corners = np.asarray(made)[[2, 2], [2, -3]].astype(int)
        assert np.abs(corners - (0x62, 0x8B, 0xCE)).max() <= 3
        head = record["head"]
        assert 0.45 * 413 <= head["chin"] - head["crown"] <= 0.7 * 413
        assert head["middle"] == pytest.approx(295 / 2, abs=1)
        assert 20 * 1024 <= (tmp_path / made.filename).stat().st_size <= 60_000
    again = _records(bshm("id", *PORTRAITS, "-d", tmp_path, *flags, "--skip-existing"))
    assert [each["status"] for each in again] == ["skipped", "skipped"]


def test_a_sheet_at_another_resolution_and_format(tmp_path):
    out = tmp_path / "sheet.png"
    flags = ("--size", "25x35mm", "--sheet", "6inch", "--dpi", "200", "--background", "white..gray")
    bshm("id", PORTRAITS[1], "-o", out, *flags)
    made = Image.open(out)
    assert made.size == (1200, 800) and made.info["dpi"] == pytest.approx((200, 200), abs=0.02)
    first, second = (np.asarray(made)[100:300, left : left + 190] for left in (65, 65 + 197 + 16))
    assert np.ptp(first[..., :3]) > 200 and np.array_equal(first, second)


def test_each_photo_says_which_rule_it_breaks_and_the_others_are_made(tmp_path):
    hopper = Image.open(PORTRAITS[1]).convert("RGB")
    two = Image.new("RGB", (1024, 512))
    for place, path in enumerate(PORTRAITS):
        two.paste(Image.open(path).convert("RGB").crop((0, 0, 512, 512)), (512 * place, 0))
    photos = {
        "cut.png": (hopper.crop((0, 70, 512, 600)), "the upper edge cuts the head off"),
        "small.png": (hopper.resize((128, 150)), "pixels high; 295×413 pixels take"),
        "two.png": (two, "2 people"),
        "low.png": (hopper.crop((0, 0, 512, 345)), "the lower edge cuts the person off"),
        "empty.png": (Image.new("RGB", (300, 400), "gray"), "nobody was found"),
        "good.png": (hopper, None),
    }
    for name, (picture, _) in photos.items():
        picture.save(tmp_path / name)
    names = [tmp_path / name for name in photos]
    done = bshm("id", *names, "-d", tmp_path / "out", "--size", "1inch", "--json", code=1)
    for record, (_, told) in zip(_records(done), photos.values()):
        if told:
            assert record["status"] == "failed" and told in record["error"]
        else:
            assert record["status"] == "done"
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["good.jpg"]
    bshm("id", tmp_path / "cut.png", "-d", tmp_path / "out", "--size", "1inch", "--lenient")
    assert Image.open(tmp_path / "out" / "cut.jpg").size == (295, 413)


@pytest.mark.parametrize(
    "flags, told",
    [
        (("--size", "35x45"), "expected 1inch"),
        (("--size", "9x9m"), "expected 1inch"),
        (("--sheet", "a7"), "expected 5inch"),
        (("--background", "beach.jpg"), "no colour, nor a gradient"),
        (("--background", "#ggg"), "no CSS name"),
        (("--kb", "big"), "such as 200 or 100-500"),
        (("--kb", "500-100"), "expected kilobytes"),
        (("--kb", "100", "--format", "png"), "for JPEGs"),
        (("--dpi", "0"), "pixels an inch"),
        (("--quality", "0"), "1 to 100"),
        (("--background", "transparent"), "no transparency"),
    ],
)
def test_what_is_wrong_is_one_line_before_any_photo_is_matted(tmp_path, flags, told):
    said = refused("id", PORTRAITS[0], "-d", tmp_path, *flags)
    assert told in said.splitlines()[-1] and "bshm-lite" not in said
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("flags", [(), ("--sheet", "a4")])
def test_no_picture_bears_the_name_of_a_document(tmp_path, flags):
    out = tmp_path / "id.pdf"
    told = lines(bshm("id", PORTRAITS[1], "-o", out, *flags, code=2).stderr)[-1]
    assert "-o: expected a name that ends in one of .png .jpg .webp" in told and not out.exists()


def test_a_photo_must_be_named():
    assert "which photo?" in lines(bshm("id", code=2).stderr)[-1]
