"""Light: what is estimated and what it does to colours."""

import colorsys
import itertools

import numpy as np
import pytest

from bshm.scene import compose, light, match, tones
from bshm.scene.light import Light, Probe

SKIN = [  # sRGB, from very light to very dark, warm and cool
    (255, 224, 196), (241, 194, 168), (224, 172, 105), (198, 134, 66), (141, 85, 36),
    (92, 56, 37), (59, 34, 25), (233, 203, 190), (172, 126, 104), (120, 80, 70),
]  # fmt: skip


def lit(colour, found):
    table, matrix = light.table(found), light.saturation_matrix(found)
    return np.clip(matrix @ [table[value, c] for c, value in enumerate(colour)], 0, 255)


def _scene(colour, seed=0):
    """A picture of things of all kinds in the light of a colour."""
    random = np.random.default_rng(seed)
    things = random.integers(50, 200, (12, 16, 1)) + random.integers(-20, 21, (12, 16, 3))
    things = np.repeat(np.repeat(things, 8, 0), 8, 1) / 255
    return (tones.encode(tones.decode(things) * np.float32(colour)) * 255 + 0.5).astype(np.uint8)


def test_no_light_changes_no_colour():
    table = light.table(Light())
    assert np.abs(table - np.arange(256)[:, None]).max() < 0.02
    assert (light.saturation_matrix(Light()) == np.eye(3)).all()


def test_the_same_light_asks_for_nothing():
    seen = light.probe(_scene((0.6, 0.6, 0.6)))
    found = light.estimate(seen, seen)
    assert found[:6] == (0, 0, 0, 0, 0, 0)
    assert light.estimate(seen, light.probe(_scene((1, 0.3, 0.1))), 0) == Light()


def test_darker_warmer_and_cooler_scenes_are_followed():
    old = light.probe(_scene((0.6, 0.6, 0.6)))
    darker = light.estimate(old, light.probe(_scene((0.4, 0.4, 0.4))))
    assert -0.6 < darker.exposure < -0.2 and abs(darker.warmth) < 0.02
    warmer = light.estimate(old, light.probe(_scene((0.7, 0.6, 0.45))))
    cooler = light.estimate(old, light.probe(_scene((0.45, 0.6, 0.7))))
    assert warmer.warmth > 0.1 and cooler.warmth < -0.1
    grey = (128, 128, 128)
    assert lit(grey, warmer)[0] > lit(grey, warmer)[2] + 4
    assert lit(grey, cooler)[2] > lit(grey, cooler)[0] + 4


def test_leaves_are_no_light():
    leaves = _scene((0.25, 0.6, 0.1))
    found = light.estimate(light.probe(_scene((0.6, 0.6, 0.6))), light.probe(leaves))
    assert abs(found.tint) <= match.LIMITS.tint / 2


def _probes():
    colours = itertools.product((0.02, 0.5, 1.0), repeat=3)
    flat = [np.full((20, 20, 3), value, np.uint8) for value in (0, 255)]
    pure = [
        np.full((20, 20, 3), colour, np.uint8) for colour in itertools.product((0, 255), repeat=3)
    ]
    return [light.probe(each) for each in [_scene(c) for c in colours] + flat + pure] + [Probe()]


def test_skin_stays_skin_in_any_light():
    """From whatever light to whatever other: never green, never blue, never another person."""
    for old, new in itertools.product(_probes(), repeat=2):
        found = light.estimate(old, new)
        assert abs(found.exposure) <= 0.65 and abs(found.tint) <= 0.05
        assert abs(found.warmth) <= 0.25 and abs(found.contrast) <= 0.15
        for colour in SKIN:
            red, green, blue = lit(colour, found)
            assert red >= green >= blue - 0.5, (colour, found)
            hue = colorsys.rgb_to_hsv(red, green, blue)[0] * 360
            before = colorsys.rgb_to_hsv(*colour)[0] * 360
            assert abs(hue - before) < 12, (colour, found)


@pytest.mark.parametrize("value", [-3.0, -0.4, 0.4, 3.0])
def test_tones_keep_their_order_under_any_light(value):
    found = Light(*(light.bend(value, 1, limit) for limit in match.LIMITS))
    table = light.table(found)
    assert (np.diff(table, axis=0) > 0).all()
    assert table.min() > -12 and table.max() < 255.01


def test_white_stays_white_when_brightened():
    assert light.table(Light(exposure=0.6))[255] == pytest.approx(255, abs=0.1)


def test_a_photo_of_hardly_any_background_tells_nothing():
    pixels = _scene((1, 0.2, 0.1))
    assert light.probe(pixels, np.zeros(pixels.shape[:2])) == Probe()


def test_lights_glide():
    a, b = Light(exposure=1.0), Light(warmth=0.5)
    half = compose.ease(a, b, 0.5)
    assert half == Light(exposure=0.5, warmth=0.25) and type(half) is Light
    assert compose.ease(a, b, 1.0) == b


def test_probes_do_not_look_at_the_person():
    pixels = _scene((0.6, 0.6, 0.6))
    weight = np.ones(pixels.shape[:2], np.float32)
    weight[20:80, 30:90] = 0
    with_person = pixels.copy()
    with_person[22:78, 32:88] = (255, 0, 255)
    assert light.probe(with_person, weight) == light.probe(pixels, weight)


def test_black_and_white_stays_black_and_white():
    grey = np.repeat(_scene((0.6, 0.6, 0.6))[..., :1], 3, 2)
    found = light.estimate(light.probe(grey), light.probe(_scene((0.9, 0.6, 0.3))))
    assert found.exposure and not (found.warmth or found.tint or found.saturation)
    red, green, blue = lit((90, 90, 90), found)
    assert abs(red - green) < 0.1 and abs(green - blue) < 0.1
