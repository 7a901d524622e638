"""The network that tells how a person's light differs from a scene's."""

from __future__ import annotations

import colorsys
import itertools

import cv2
import numpy as np
import pytest

from bshm.scene import light, match, tones
from bshm.scene.light import Light
from tests.helpers import ROOT
from tests.scene.test_light import SKIN, lit


def _portrait(name):
    """A portrait and its matte."""
    rgb = cv2.imread(str(ROOT / "image-matting" / name))[..., ::-1]
    alpha = cv2.imread(str(ROOT / "tests" / "mattes" / name), 0) / np.float32(255)
    return np.ascontiguousarray(rgb), alpha


def _changed(rgb, gains):
    return tones.to_coded(tones.to_linear(rgb) * np.float32(gains))


def test_statistics_of_a_flat_colour_and_of_a_ramp():
    flat = match.statistics(np.full((50, 3), 128, np.uint8))
    assert len(flat) == match.STATISTICS
    luma, warm = flat[:17], flat[17:30]
    assert luma.sum() == pytest.approx(1) and luma[8] == pytest.approx(1, abs=0.04)
    assert warm[6] == pytest.approx(1)
    ramp = match.statistics(np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, 1))
    assert np.allclose(ramp[1:16], 1 / 16, atol=0.005)


def test_skin_stays_skin_whatever_the_network_says():
    """At all corners of its limits."""
    for corner in itertools.product((-1, 1), repeat=len(match.LIMITS)):
        found = Light(*(float(value) for value in np.array(match.LIMITS) * corner))
        for colour in SKIN:
            red, green, blue = lit(colour, found)
            assert red >= green >= blue - 0.5, (colour, corner)
            hue = colorsys.rgb_to_hsv(red, green, blue)[0] * 360
            before = colorsys.rgb_to_hsv(*colour)[0] * 360
            assert abs(hue - before) < 14, (colour, corner)  # pale skin has hardly a hue


def test_it_keeps_its_limits_on_anything():
    random = np.random.default_rng(0)
    seen = [random.normal(0, 3, match.STATISTICS).astype(np.float32) for _ in range(60)]
    seen += [match.statistics(np.full((9, 3), value, np.uint8)) for value in (0, 255)]
    for triple in itertools.islice(itertools.permutations(seen, 3), 0, None, 997):
        found = match.difference(*triple)
        assert (np.abs(found) <= np.array(match.LIMITS) + 1e-6).all()


@pytest.mark.parametrize("name", ["1.png", "2.png"])
@pytest.mark.parametrize("gains", [(0.5,) * 3, (1.6,) * 3, (0.6, 0.55, 0.45)])
def test_people_from_a_photo_in_other_light_come_back(name, gains):
    """The same photo, too dark, too bright, or too warm, before its own background."""
    rgb, alpha = _portrait(name)
    other = _changed(rgb, gains)
    found = light.fit(other, alpha, rgb)
    person = alpha > 0.9

    def error(pixels):
        return float(((pixels[person] - rgb[person].astype(np.float32)) ** 2).mean())

    assert error(light.relit(other, found)) < 0.5 * error(other.astype(np.float32))


@pytest.mark.parametrize("name", ["1.png", "2.png"])
def test_on_the_own_background_people_stay_as_they_are(name):
    rgb, alpha = _portrait(name)
    found = light.fit(rgb, alpha, rgb)
    assert np.abs(light.relit(rgb, found) - rgb).mean() < 3


def test_black_and_white_stays_black_and_white():
    rgb, alpha = _portrait("2.png")
    grey = np.repeat(rgb[..., 1:2], 3, 2)
    found = light.fit(grey, alpha, _changed(rgb, (0.9, 0.6, 0.3)))
    assert not (found.warmth or found.tint or found.saturation)


def test_a_photo_without_background_falls_back_on_the_probes():
    rgb, alpha = _portrait("2.png")
    found = light.fit(rgb, np.ones_like(alpha), rgb)
    assert found[:6] == light.estimate(light.Probe(), light.probe(rgb))[:6]
    assert light.fit(rgb, alpha, rgb, 0.0) == Light()
