"""Where people go, and how large."""

import tracemalloc

import cv2
import numpy as np
import pytest

from bshm.scene import place
from bshm.scene.place import Place


def _matte(rows, columns, shape=(100, 200)):
    alpha = np.zeros(shape, np.float32)
    alpha[rows[0] : rows[1], columns[0] : columns[1]] = 1
    return alpha


def _box(alpha):
    rows, columns = np.flatnonzero(alpha.max(axis=1) > 0.5), np.flatnonzero(alpha.max(axis=0) > 0.5)
    return rows[0], rows[-1] + 1, columns[0], columns[-1] + 1


def _placed(alpha, position="original", scale=1.0):
    where = place.estimate(alpha, place.parse(position), scale)
    return _box(place.move(alpha, where))


def test_texts():
    assert place.parse("original") == (None, None)
    assert place.parse("left") == (0, None)
    assert place.parse("right bottom") == (1, 1)
    assert place.parse("bottom") == (None, 1)
    assert place.parse("30%, 62.5%") == (0.3, 0.625)
    assert place.parse("original,top") == (None, 0)
    for wrong in ("up", "30", "130%", "left,left", "a b c"):
        with pytest.raises(ValueError, match="expected"):
            place.parse(wrong)


def test_as_in_the_photo_unless_asked():
    assert place.estimate(_matte((20, 60), (50, 90)), (None, None), 1.0) == Place()


def test_positions():
    alpha = _matte((20, 60), (50, 90))
    assert _placed(alpha, "left") == (20, 60, 0, 40)
    assert _placed(alpha, "right,bottom") == (60, 100, 160, 200)
    assert _placed(alpha, "50%,0%") == (0, 40, 80, 120)


def test_scaled_people_keep_their_feet_where_they_were():
    assert _placed(_matte((20, 60), (50, 90)), scale=0.5) == (40, 60, 60, 80)
    top, bottom, left, right = _placed(_matte((20, 60), (50, 90)), scale=1.5)
    assert (bottom, left, right) == (60, 40, 100) and top == 0


def test_nobody_who_is_cut_off_by_the_frame_floats():
    assert _placed(_matte((40, 100), (80, 120)), scale=0.5) == (70, 100, 90, 110)
    assert _placed(_matte((40, 100), (80, 120)), "left,top", 0.5) == (70, 100, 0, 20)
    assert _placed(_matte((40, 100), (0, 60)), "right", 0.5) == (70, 100, 0, 30)
    assert _placed(_matte((40, 90), (140, 200)), "left", 0.5)[2:] == (170, 200)


@pytest.mark.parametrize("scale", [0.3, 0.5, 0.9, 1.5, 2.5])
def test_who_is_cut_off_reaches_the_edge_at_any_size(scale):
    for side in range(100, 112):
        alpha = np.zeros((side, side), np.float32)
        alpha[side // 2 :, side // 2 :] = 1
        moved = place.move(alpha, place.estimate(alpha, (None, None), scale))
        assert moved[-1, -1] > 0.99, side


@pytest.mark.parametrize(
    ("rows", "columns", "position", "held"),
    [
        ((40, 90), (80, 120), "left,top", False),  # whole
        ((40, 90), (0, 60), "right", True),
        ((40, 90), (0, 60), "left", False),
        ((40, 90), (0, 60), "original,top", False),
        ((40, 100), (80, 120), "left", False),
        ((40, 100), (80, 120), "left,center", True),
        ((0, 100), (80, 120), "left,bottom", False),
        ((0, 60), (80, 120), "original,bottom", True),
        ((40, 90), (0, 200), "right", False),
    ],
)
def test_it_is_known_whom_an_edge_holds(rows, columns, position, held):
    assert place.is_held(_matte(rows, columns), place.parse(position)) is held


def test_who_is_cut_off_at_both_sides_goes_to_the_one_that_is_asked_for():
    wide = _matte((40, 100), (0, 200))
    assert _placed(wide, scale=0.6) == (64, 100, 40, 160)
    assert _placed(wide, "left", 0.6) == (64, 100, 0, 120)
    assert _placed(wide, "right,top", 0.6) == (64, 100, 80, 200)
    assert _placed(wide, "75%", 0.6) == (64, 100, 60, 180)
    close = _matte((0, 100), (60, 100))  # who has no feet in the frame does not float
    assert _placed(close, "left,top", 0.5) == (50, 100, 0, 20)
    assert _placed(close, "center,center", 0.5) == (50, 100, 90, 110)


def test_nobody_and_no_room():
    empty = np.zeros((10, 10), np.float32)
    assert place.estimate(empty, (0.0, 0.0), 0.5) == Place()
    pixels = np.full((10, 10, 3), 9, np.uint8)
    assert (place.move(pixels, Place(1.0, 50, -50)) == 0).all()
    assert (place.move(pixels, Place(3.0, -10, -10)) == 9).all()


def _moved_as_a_whole(plane, where):
    """The photo scaled first, and then cut to the frame."""
    height, width = plane.shape[:2]
    size = round(width * where.scale), round(height * where.scale)
    scaled = cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR)
    shift = np.float32([[1, 0, round(where.x)], [0, 1, round(where.y)]])
    return cv2.warpAffine(scaled, shift, (width, height), flags=cv2.INTER_NEAREST)


@pytest.mark.parametrize(
    "where",
    [
        Place(4.0, -900.0, -311.0),
        Place(1.37, -40.3, 17.6),
        Place(1.001, 0.0, -1.0),
        Place(2.5, 200.0, 150.0),
        Place(2.0, 1000.0, 0.0),  # out of the frame
        Place(3.0, -2000.0, -20.0),
        Place(1.5, -500.0, 30.0),  # its last column is the frame's first
    ],
)
def test_people_who_grow_look_as_if_the_whole_photo_grew(where):
    draw = np.random.default_rng(7)
    rgb = draw.integers(0, 256, (211, 333, 3), np.uint8)
    alpha = draw.random((211, 333), np.float32)
    wanted, found = (move(rgb, where).astype(int) for move in (_moved_as_a_whole, place.move))
    assert np.abs(found - wanted).max() <= 1
    assert np.abs(place.move(alpha, where) - _moved_as_a_whole(alpha, where)).max() < 1e-5


def test_people_who_grow_take_no_more_memory_than_the_frame_needs():
    rgb = np.zeros((1000, 1500, 3), np.uint8)
    tracemalloc.start()
    place.move(rgb, Place(4.0, -2000.0, -1500.0))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * rgb.nbytes
