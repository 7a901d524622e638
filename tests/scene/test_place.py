"""Where people go, and how large."""

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
