"""Shadows: where they fall, and how deep."""

import numpy as np
import pytest

from bshm.scene import shadow
from bshm.scene.light import Light
from bshm.scene.shadow import Shadow, Wish

FEET, LEFT, RIGHT = 170, 88, 112  # of the standing figure below


def standing():
    """Somebody of 140 rows who stands in a frame of 200 × 200, on two legs."""
    alpha = np.zeros((200, 200), np.float32)
    alpha[30:110, 85:115] = 1
    alpha[110:FEET, LEFT : LEFT + 8] = alpha[110:FEET, RIGHT - 8 : RIGHT] = 1
    return alpha


def portrait():
    """Somebody whom the frame cuts off below."""
    alpha = np.zeros((200, 200), np.float32)
    alpha[60:, 70:130] = 1
    return alpha


def _dark(alpha, **parts):
    return shadow.darkness(Shadow(**parts), alpha)


def test_texts():
    assert shadow.parse("auto") == Wish()
    assert shadow.parse("cast:azimuth=120,opacity=0.5") == Wish("cast", azimuth=120.0, opacity=0.5)
    for wrong, told in [
        ("glow", "one of auto"),
        ("cast:height=3", "NAME=VALUE"),
        ("cast:opacity=2", "from 0 to 1"),
        ("cast:elevation=nan", "from 5 to 90"),
        ("drop:softness=", "from 0 to 1"),
    ]:
        with pytest.raises(ValueError, match=told):
            shadow.parse(wrong)


def test_standing_people_get_ground_and_portraits_a_wall():
    on_ground = shadow.estimate(Wish(), standing(), Light(), None)
    assert on_ground.contact and on_ground.cast and on_ground.occlusion and not on_ground.wall
    behind = shadow.estimate(Wish(), portrait(), Light(), None)
    assert behind.wall and not (behind.contact or behind.cast or behind.occlusion)
    assert shadow.estimate(Wish("none"), standing(), Light(), None) == Shadow()
    contact = shadow.estimate(Wish("contact", opacity=1.0), standing(), Light(), None)
    assert contact.contact == 1 and not contact.cast
    asked_for_ground = shadow.estimate(Wish("cast"), portrait(), Light(), None)
    assert not asked_for_ground.cast  # there is none


def test_contact_is_right_under_the_feet():
    dark = _dark(standing(), contact=0.8)
    assert dark[FEET + 1, LEFT + 4] > 0.3 and dark[FEET + 1, RIGHT - 4] > 0.3
    assert dark[FEET + 20].max() < 0.02 and dark[:140].max() < 0.02
    assert dark[FEET + 1, LEFT + 4] > 1.5 * dark[FEET + 1, 10]


@pytest.mark.parametrize(
    "azimuth, across, down", [(90, -1, 0), (270, 1, 0), (0, 0, 1), (180, 0, -1), (225, 1, -1)]
)
def test_cast_shadows_fall_away_from_the_light(azimuth, across, down):
    alpha = standing()
    dark = _dark(alpha, cast=0.5, azimuth=azimuth, elevation=45.0)
    rows, columns = np.mgrid[:200, :200]
    middle_x, middle_y = (dark * columns).sum() / dark.sum(), (dark * rows).sum() / dark.sum()
    for found, wanted in ((middle_x - 100, across), (middle_y - FEET, down)):
        assert found * wanted > 3 if wanted else abs(found) < 12


def test_cast_shadows_are_longer_under_a_low_light_and_fade_with_distance():
    high = _dark(standing(), cast=0.5, azimuth=270.0, elevation=70.0)
    low = _dark(standing(), cast=0.5, azimuth=270.0, elevation=50.0)
    assert (
        np.flatnonzero(low.max(axis=0) > 0.03)[-1]
        > np.flatnonzero(high.max(axis=0) > 0.03)[-1] + 10
    )
    assert low[:, 120:130].max() > low[:, 160:170].max() > 0


def test_a_wall_shadow_is_aside_and_follows_the_softness():
    hard = _dark(portrait(), wall=0.5, azimuth=270.0, softness=0.1)
    soft = _dark(portrait(), wall=0.5, azimuth=270.0, softness=1.0)
    assert hard[150, 132] > hard[150, 67]  # the light comes from the left
    assert np.abs(np.diff(hard[150])).max() > 2 * np.abs(np.diff(soft[150])).max()
    assert soft[199, 132] == pytest.approx(soft[190, 132], abs=0.03)  # does not end above the frame


def test_everyone_has_their_own_ground():
    alpha = np.zeros((200, 300), np.float32)
    alpha[40:180, 40:70] = 1
    alpha[60:120, 200:215] = 1  # further away
    dark = _dark(alpha, contact=0.8)
    assert dark[181, 55] > 0.3 and dark[121, 207] > 0.1 > 10 * dark[181, 207]
    grounds = [one.level for one in shadow.people(alpha)]
    assert grounds == pytest.approx([180, 120])


def test_feet_at_different_heights_share_a_sloping_ground():
    alpha = standing()
    alpha[FEET : FEET + 6, RIGHT - 8 : RIGHT] = 1
    one = next(iter(shadow.people(alpha)))
    assert one.level + one.slope * (LEFT + 4) == pytest.approx(FEET, abs=2)
    assert one.level + one.slope * (RIGHT - 4) == pytest.approx(FEET + 6, abs=2)


def test_shadows_are_never_black_paint_and_have_the_scenes_colour():
    blue = np.full((50, 50, 3), (60, 90, 160), np.uint8)
    found = shadow.estimate(Wish("contact", opacity=1.0), standing(), Light(), blue)
    assert found.blue > found.green > found.red > 0.05
    gains = shadow.gains(found, np.float32([[0, 0.5, 1]]))
    assert (gains[0, 0] == 1).all() and (gains[0, 2] > 0.25).all()
    assert gains[0, 2, 2] > gains[0, 2, 0]
    assert (np.diff(gains[0], axis=0) < 0).all()


def test_what_leaves_the_frame_is_told_but_not_where_the_frame_cuts():
    long = Shadow(cast=0.5, azimuth=270.0, elevation=30.0)
    left, top, right, _bottom = shadow.reach(long, standing())
    assert right > 0.1 and left == 0 and top == 0
    assert shadow.reach(Shadow(wall=0.5, azimuth=270.0), portrait()) == (0, 0, 0, 0)
    assert shadow.reach(Shadow(), standing()) == (0, 0, 0, 0)


def test_room_is_made_for_the_people_and_not_for_the_frame(monkeypatch):
    """A panorama on its side: shadows are as long as people are high."""
    alpha = np.zeros((2000, 20), np.float32)
    assert shadow.reach(Shadow(wall=0.5), alpha) == (0, 0, 0, 0)
    alpha[900:930, 8:12] = 1
    laid_out = []
    darkness = shadow.darkness
    monkeypatch.setattr(
        shadow, "darkness", lambda *given: laid_out.append(given[1].size) or darkness(*given)
    )
    left, _, right, _ = shadow.reach(Shadow(cast=0.5, elevation=20, azimuth=215), alpha)
    assert left > 0.5 or right > 0.5
    assert laid_out[0] < 20 * alpha.size


@pytest.mark.parametrize("shape", [(2, 2), (3, 50), (50, 3)])
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_empty_full_and_tiny_mattes(shape, value):
    alpha = np.full(shape, value, np.float32)
    found = shadow.estimate(Wish(), alpha, Light(), None)
    dark = shadow.darkness(found, alpha)
    assert dark.shape == shape and np.isfinite(dark).all()
    assert value or dark.max() == 0
