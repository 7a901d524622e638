"""The frame after the rules of each size, and the rules that photos break."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from bshm.errors import InputError
from bshm.idphoto import frame, sizes
from bshm.idphoto.head import measure
from tests.helpers import ROOT


def matte(name, scale=1.0):
    alpha = cv2.imread(str(ROOT / "tests" / "mattes" / name), 0) / np.float32(255)
    return cv2.resize(alpha, None, fx=scale, fy=scale)


@pytest.mark.parametrize("size", sizes.NAMED)
@pytest.mark.parametrize("name", ["1.png", "2.png"])
def test_the_frame_keeps_the_rules_of_its_size(name, size):
    wanted = sizes.parse(size)
    alpha = matte(name, 3)
    where, head = frame.fit(alpha, wanted)
    seen = head.moved(*where)
    least, _, most = wanted.rule.head
    assert least - 0.01 <= seen.height / wanted.height <= most + 0.01
    least, _, most = wanted.rule.top
    assert least - 0.01 <= seen.crown / wanted.height <= most + 0.01
    assert seen.middle == pytest.approx(wanted.width / 2, abs=2)
    _, made = frame.cut(np.zeros((*alpha.shape, 3), np.uint8), alpha, where, wanted)
    assert made.shape == (wanted.height, wanted.width)
    assert (made[-1] > 0.5).any()  # nobody floats
    again = measure(made).head  # what the finished photo shows
    assert again.crown == pytest.approx(seen.crown, abs=4)


def _broken(alpha, size="1inch"):
    with pytest.raises(InputError) as caught:
        frame.fit(alpha, sizes.parse(size))
    frame.fit(alpha, sizes.parse(size), lenient=True)
    return caught.value


def test_each_rule_has_its_error():
    alpha = matte("2.png")
    assert _broken(alpha[60:]).code == "head_cut_off"
    small = _broken(matte("2.png", 0.3))
    assert small.code == "head_too_small" and "295×413" in small.reason
    cut = _broken(alpha[:330])
    assert cut.code == "body_cut_off" and "lower" in cut.reason
    aside = _broken(alpha[:, 150:])
    assert aside.code == "body_cut_off" and "left" in aside.reason
    assert _broken(np.hstack([alpha, alpha])).code == "several_people"
    floats = np.vstack([alpha[:330], np.zeros_like(alpha)])
    assert _broken(floats).code == "body_ends"
    with pytest.raises(InputError) as caught:
        frame.fit(alpha * 0, sizes.parse("1inch"), lenient=True)
    assert caught.value.code == "nobody_found"


def test_a_photo_that_ends_early_gets_a_larger_head_within_the_rule():
    wanted = sizes.parse("1inch")
    usual = frame.fit(matte("2.png"), wanted)[1].height * frame.fit(matte("2.png"), wanted)[0].scale
    where, head = frame.fit(matte("2.png")[:395], wanted)
    assert usual < head.height * where.scale <= wanted.rule.head[2] * wanted.height + 1


def test_nothing_is_drawn_out_beside_the_photo():
    """Who wants a photo of a head that was cut off gets a straight cut, with no streaks above."""
    alpha = matte("2.png")[80:]
    size = sizes.parse("1inch")
    where, _ = frame.fit(alpha, size, lenient=True)
    _, made = frame.cut(np.zeros((*alpha.shape, 3), np.uint8), alpha, where, size)
    top = -where.top - 2 * frame.SLACK * size.height
    assert top > 10 and made[: int(top)].max() < 0.01 and made[int(-where.top) + 2].max() > 0.9


@pytest.mark.parametrize("scale", [0.24, 0.5, 1.0, 1.37])
def test_what_is_cut_stands_where_it_stood(scale):
    """A ramp is its own coordinates: the pixels of the frame must say where they come from."""
    alpha = np.ones((300, 400), np.float32)
    rows, columns = np.mgrid[:300, :400] / np.float32(2)
    ramp = np.dstack([rows, columns, rows]).astype(np.uint8)
    size = sizes.Size(60, 50, 300)
    where = frame.Frame(scale, 30.0, 20.0)
    found, level = frame.cut(ramp, alpha, where, size)
    assert level.min() > 0.999
    y, x = 25, 30
    there = ((np.array([y + 20, x + 30]) + 0.5) / scale - 0.5) / 2
    assert np.abs(found[y, x, :2] - there).max() <= 1


def test_no_colour_of_nothing_comes_in():
    """Colours are weighted by alpha: what is transparent has none."""
    alpha = np.zeros((400, 400), np.float32)
    alpha[:, 100:300] = 1
    colours = np.zeros((400, 400, 3), np.uint8)
    colours[:, 100:300] = (200, 100, 50)
    colours[:, :100] = (0, 255, 0)
    for scale, left in ((0.3, 0), (0.7, 30), (1.3, 90)):
        where = frame.Frame(scale, left, 0)
        found, level = frame.cut(colours, alpha, where, sizes.Size(100, 100, 300))
        assert level.min() < 0.01 and level.max() > 0.99
        assert np.abs(found[level > 0.05].astype(int) - (200, 100, 50)).max() <= 2


def test_sizes_are_those_that_offices_publish():
    pixels = {
        "1inch": (295, 413), "2inch": (413, 626), "small-1inch": (260, 378),
        "small-2inch": (413, 531), "large-1inch": (390, 567), "us-visa": (600, 600),
        "jp": (295, 413), "kr": (413, 531),
    }  # fmt: skip
    for name, wanted in pixels.items():
        assert sizes.parse(name)[:2] == wanted
    assert sizes.parse("35x45mm")[:3] == (413, 531, 300)
    assert sizes.parse("35 × 45 mm", 600)[:3] == (827, 1063, 600)
    assert sizes.parse("2x2in", 254)[:2] == (508, 508)
    assert sizes.parse("480x640px", 72)[:3] == (480, 640, 72)
    assert sizes.paper("6inch") == (1200, 1800) and sizes.paper("10x15cm") == (1181, 1772)
    for wrong in ("", "35x45", "passport", "0x45mm", "9x9m", "1x1mm", "9000x9000mm"):
        with pytest.raises(ValueError, match="expected"):
            sizes.parse(wrong)
