"""The own background out of focus: nothing of the person in it."""

import cv2
import numpy as np
import pytest

from bshm.scene import blur, tones
from bshm.scene.blur import Ground


def _photo(person, seed=0):
    """A photo of 240 × 320 with somebody of one colour before a background of many."""
    random = np.random.default_rng(seed)
    rgb = np.repeat(np.repeat(random.integers(0, 200, (24, 32, 3)), 10, 0), 10, 1).astype(np.uint8)
    alpha = np.zeros((240, 320), np.float32)
    alpha[60:, 120:200] = 1
    for step, share in enumerate((0.75, 0.5, 0.25)):  # a soft edge
        alpha[60 - step - 1, 120:200] = alpha[60:, 119 - step] = share
    mixed = alpha[..., None] * np.float32(person) + (1 - alpha[..., None]) * rgb
    return (mixed + 0.5).astype(np.uint8), alpha


@pytest.mark.parametrize("ground", [None, Ground(0.9, 0.2)])
@pytest.mark.parametrize("strength", [0.0, 0.2, 0.6, 1.0])
def test_nothing_of_the_person_gets_into_the_background(strength, ground):
    found = [
        blur.blur(*_photo(person), strength, ground).astype(int)
        for person in ((255, 0, 255), (0, 255, 0))
    ]
    assert np.abs(found[0] - found[1]).max() <= 1


def test_nor_where_large_photos_are_done_in_stripes():
    """The person's mixed pixels touch the stripes' seams along a nearly level edge."""
    alpha = np.zeros((1300, 1700), np.float32)
    cv2.fillPoly(alpha, [np.array([[0, 1299], [0, 250], [1699, 360], [1699, 1299]], np.int32)], 1.0)
    alpha = cv2.blur(alpha, (3, 3))
    found = []
    for person in ((255, 0, 255), (0, 255, 0)):
        mixed = alpha[..., None] * np.float32(person) + (1 - alpha[..., None]) * np.float32(90)
        rgb = (mixed + 0.5).astype(np.uint8)
        rgb[alpha == 0] = 90
        found.append(blur.blur(rgb, np.where(alpha < 0.4, 0, alpha), 0.0).astype(int))
    # A matte that ends one pixel too early is what the erosion is for.
    assert np.abs(found[0] - found[1]).max() <= 1


def test_a_plain_background_stays_as_it_is_behind_the_person_too():
    rgb, alpha = _photo((255, 0, 0))
    rgb[alpha == 0] = (40, 90, 140)
    assert np.abs(blur.blur(rgb, alpha, 0.5).astype(int) - (40, 90, 140)).max() <= 1


def test_beside_the_person_the_blur_is_that_of_the_whole_background():
    """What the person hides is in the discs beside it: it goes on there as what is seen does."""
    _, alpha = _photo((255, 0, 0))
    ramp = np.linspace(40, 200, 320, dtype=np.float32)
    clean = np.dstack(
        [np.tile(ramp, (240, 1)), np.tile(ramp[::-1], (240, 1)), np.full((240, 320), 90)]
    )
    clean[:, 205:] = (30, 160, 220)  # a wall's edge beside the person
    rgb = alpha[..., None] * np.float32((255, 0, 0)) + (1 - alpha[..., None]) * clean
    found = blur.blur((rgb + 0.5).astype(np.uint8), alpha, 0.8).astype(int)
    wanted = blur.blur((clean + 0.5).astype(np.uint8), np.zeros_like(alpha), 0.8)
    ring = (cv2.dilate(alpha, np.ones((41, 41))) > 0.02) & (alpha <= 0.02)
    assert np.abs(found - wanted)[ring].max() <= 6 and np.abs(found - wanted)[ring].mean() < 1


def test_more_strength_blurs_more():
    rgb, alpha = _photo((255, 0, 0))
    detail = []
    for strength in (0.1, 0.4, 0.8):
        found = blur.blur(rgb, alpha, strength).astype(int)
        detail.append(np.abs(np.diff(found, axis=1))[:, :100].mean())
    assert detail[0] > 1.3 * detail[1] > 1.6 * detail[2]


def test_a_point_of_light_becomes_a_disc_that_blooms():
    rgb = np.zeros((240, 320, 3), np.uint8)
    rgb[116:124, 76:84] = 255
    alpha = np.zeros((240, 320), np.float32)
    alpha[:, 250:] = 1
    disc = blur.blur(rgb, alpha, 1.0)[..., 0]
    radius = blur.WIDEST * 400
    light = tones.decode(disc / np.float32(255))
    lit = light > light.max() / 2
    assert lit.sum() == pytest.approx(np.pi * radius**2, rel=0.2)
    inside = disc[lit]
    assert inside.std() < 0.15 * inside.mean()  # as bright at its edge as in its middle
    # 64 pixels of white, spread over the disc, are this bright in linear light.
    assert disc[120, 80] > 255 * (64 / lit.sum()) ** (1 / 2.2) * 1.2


def test_the_ground_at_the_feet_stays_sharp():
    rgb, alpha = _photo((255, 0, 0))
    found = blur.blur(rgb, alpha, 0.8, Ground(feet=0.9, horizon=0.3)).astype(int)
    change = np.abs(found - rgb)[:, :100].mean((1, 2))
    assert change[214:218].mean() < 2 and change[:70].mean() > 20
    assert change[214:218].mean() < change[180:184].mean() < change[120:124].mean()


@pytest.mark.parametrize("shape", [(1, 1), (2, 300), (300, 2)])
def test_odd_sizes_and_photos_without_background(shape):
    rgb = np.full((*shape, 3), 77, np.uint8)
    assert blur.blur(rgb, np.zeros(shape, np.float32), 0.5).min() == 77
    assert blur.blur(rgb, np.ones(shape, np.float32), 0.5).shape == (*shape, 3)
