"""Where the head is: on the mattes of real portraits, and of people who were moved and joined."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from bshm.idphoto.head import alone, measure
from tests.helpers import ROOT

# Portrait -> crown, chin, middle and width of the head in pixels, as one sees them in the photo.
SEEN = {"1.png": (17, 172, 228, 148), "2.png": (22, 333, 272, 222)}


def matte(name):
    return cv2.imread(str(ROOT / "tests" / "mattes" / name), 0) / np.float32(255)


@pytest.mark.parametrize("name", SEEN)
def test_the_head_is_where_one_sees_it(name):
    crown, chin, middle, width = SEEN[name]
    seen = measure(matte(name))
    head, high = seen.head, chin - crown
    assert seen.heads == 1 and head.neck
    assert head.crown == pytest.approx(crown, abs=4)
    assert head.chin == pytest.approx(chin, abs=0.1 * high)  # estimated
    assert head.middle == pytest.approx(middle, abs=0.05 * high)
    assert head.width == pytest.approx(width, rel=0.05)
    assert head.crown < head.eyes < head.chin


def test_it_follows_the_photo():
    alpha = matte("2.png")
    plain = measure(alpha).head
    large = measure(cv2.resize(alpha, None, fx=3, fy=3)).head
    assert np.allclose(large[:6], np.array(plain[:6]) * 3, atol=9)
    wide = cv2.copyMakeBorder(alpha, 200, 0, 300, 100, cv2.BORDER_CONSTANT, value=0)
    moved = measure(wide).head
    assert moved.crown == pytest.approx(plain.crown + 200, abs=4)
    assert moved.middle == pytest.approx(plain.middle + 300, abs=4)
    assert moved.chin == pytest.approx(plain.chin + 200, abs=12)
    turned = measure(alpha[:, ::-1]).head
    assert turned.middle == pytest.approx(512 - plain.middle, abs=3)


def test_two_people_are_two_apart_and_where_they_touch():
    one, two = alone(matte("1.png")), matte("2.png")[:512]
    apart = np.hstack([one, np.zeros((512, 60), np.float32), two])
    assert measure(apart).heads == 2
    touching = np.zeros((512, 800), np.float32)
    touching[:, :512] = one
    touching[:, 288:] = np.maximum(touching[:, 288:], two)
    assert cv2.connectedComponents(np.uint8(touching > 0.5))[0] == 2  # the ground and one thing
    assert measure(touching).heads == 2


def test_who_stands_apart_can_be_left_out():
    one, two = alone(matte("1.png")), matte("2.png")[:512]
    apart = np.hstack([one, np.zeros((512, 60), np.float32), two])
    left = alone(apart)
    assert measure(left).heads == 1
    assert np.array_equal(left[:, :512], one) and left[:, 572:].max() < 0.05
    assert alone(two) is two


def test_nobody_is_nobody_and_a_bun_is_no_head():
    assert measure(np.zeros((300, 200), np.float32)) is None
    alpha = matte("1.png")
    alpha = cv2.copyMakeBorder(alpha, 60, 0, 0, 0, cv2.BORDER_CONSTANT, value=0)
    plain = measure(alpha).head
    cv2.circle(alpha, (228, 64), 16, 1.0, -1)
    with_bun = measure(alpha).head
    assert with_bun.width == pytest.approx(plain.width, abs=3)
    assert with_bun.crown == pytest.approx(plain.crown, abs=8)


def test_a_head_in_the_last_column():
    alpha = np.zeros((300, 2), np.float32)
    alpha[:, 1] = 1
    assert measure(alpha).head.middle == 1.5


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (3, 3)])
def test_odd_mattes(shape):
    assert measure(np.zeros(shape, np.float32)) is None
    seen = measure(np.ones(shape, np.float32))
    if seen is not None:
        head = seen.head
        assert 0 <= head.crown <= head.eyes <= head.chin  # a guess, which may lie below the frame
        assert 0 <= head.left <= head.middle <= head.right <= shape[1]
