"""Alpha from working size to photo size: closer to the truth, exact, seamless, bounded."""

from __future__ import annotations

import tracemalloc

import cv2
import numpy as np
import pytest

from bshm.matting.upsample import SNAP, _strips, upsample
from tests.helpers import sample


def draw(height, width, strands, seed=0):
    """Exact alpha of a head, a hand and hair, drawn four times as large."""
    random = np.random.RandomState(seed)
    canvas = np.zeros((4 * height, 4 * width), np.uint8)
    middle, radius = np.array([2 * width, 2.4 * height]), 1.2 * height
    cv2.circle(canvas, tuple(int(v) for v in middle), int(0.8 * radius), 255, -1)
    for finger in range(4):
        end = (int(0.1 * width + 0.25 * finger * width), int(0.4 * height))
        cv2.line(canvas, (int(0.5 * width), 2 * height), end, 255, 24 + 6 * finger, cv2.LINE_AA)
    steps = np.linspace(0, 1, 12)[:, None]
    for _ in range(strands):
        angle, bend = random.uniform(-np.pi, 0), random.normal(0, 0.8)
        length = random.gamma(3, 0.12) * radius
        turn = angle + bend * steps
        line = middle + 0.75 * radius * np.array([np.cos(angle), np.sin(angle)])
        line = line + np.cumsum(np.hstack([np.cos(turn), np.sin(turn)]), axis=0) * length / 12
        points = [line.round().astype(np.int32)]
        cv2.polylines(canvas, points, False, 255, random.randint(2, 10), cv2.LINE_AA)
    small = cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA)
    return small.astype(np.float32) / 255


def composite(alpha, tint, seed=0):
    """Two sample photos over each other, the foreground tinted, with a camera's noise."""
    height, width = alpha.shape
    near, far = sample("2.png", height, width), sample("1.png", height, width)
    near = 0.3 * near + 0.7 * np.array(tint)
    mixed = alpha[..., None] * near + (1 - alpha[..., None]) * far
    noise = np.random.RandomState(seed).normal(0, 1.5, mixed.shape)
    return np.clip(mixed + noise, 0, 255).round().astype(np.uint8)


def shrink(image, ratio):
    size = (round(image.shape[1] / ratio), round(image.shape[0] / ratio))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def scores(alpha, truth):
    """MAD and MSE over the pixels within four of a true edge."""
    band = ((truth > 0) & (truth < 1)).astype(np.uint8)
    error = (alpha - truth)[cv2.dilate(band, np.ones((9, 9), np.uint8)) > 0]
    return np.abs(error).mean(), (error**2).mean()


@pytest.fixture(scope="module")
def hair():
    return draw(600, 800, 500)


@pytest.mark.parametrize("tint", [(30, 20, 20), (240, 220, 170), (110, 80, 60)])
@pytest.mark.parametrize("ratio", [1.5, 2.2, 4])
def test_exact_alpha_comes_back_far_closer_than_by_interpolation(hair, tint, ratio):
    rgb, small = composite(hair, tint), shrink(hair, ratio)
    mad, mse = scores(upsample(small, rgb), hair)
    for way in (cv2.INTER_LINEAR, cv2.INTER_CUBIC):
        plain = np.clip(cv2.resize(small, (800, 600), interpolation=way), 0, 1)
        plain_mad, plain_mse = scores(plain, hair)
        assert mad < 0.7 * plain_mad
        assert mse < 0.6 * plain_mse


@pytest.mark.parametrize("tint", [(30, 20, 20), (240, 220, 170), (110, 80, 60)])
def test_a_blurred_noisy_alpha_as_of_a_network_gains_too(hair, tint):
    rgb, small = composite(hair, tint), shrink(hair, 2.2)
    small = cv2.GaussianBlur(small, (0, 0), 0.9)
    noise = np.random.RandomState(1).normal(0, 0.05, small.shape) * 4 * small * (1 - small)
    small = np.clip(small + noise, 0, 1).astype(np.float32)
    mad, mse = scores(upsample(small, rgb), hair)
    for way in (cv2.INTER_LINEAR, cv2.INTER_CUBIC):
        plain_mad, plain_mse = scores(cv2.resize(small, (800, 600), interpolation=way), hair)
        assert mad < 0.9 * plain_mad
        assert mse < 0.85 * plain_mse


def test_without_detail_in_the_photo_it_is_bicubic(hair):
    rgb = np.full((600, 800, 3), 90, np.uint8)
    small = shrink(hair, 2.2)
    plain = np.clip(cv2.resize(small, (800, 600), interpolation=cv2.INTER_CUBIC), 0, 1)
    assert np.abs(upsample(small, rgb) - plain).max() < 0.01


def test_a_texture_does_not_print_through_a_haze():
    rgb = np.random.RandomState(3).randint(0, 256, (300, 400, 3)).astype(np.uint8)
    across = np.linspace(0.3, 0.7, 100, dtype=np.float32)
    small = np.repeat(across[None], 75, axis=0)
    assert np.abs(upsample(small, rgb) - cv2.resize(small, (400, 300))).max() < 0.02


def test_tiles_leave_no_seams(hair, monkeypatch):
    rgb, small = composite(hair, (110, 80, 60)), shrink(hair, 2.7)
    usual = upsample(small, rgb)
    for block, tile in ((10**6, 10**6), (13, 29)):
        monkeypatch.setattr("bshm.matting.upsample.BLOCK", block)
        monkeypatch.setattr("bshm.matting.upsample.TILE", (tile, tile + 10))
        monkeypatch.setattr("bshm.matting.upsample.TILE_CELLS", (tile, tile))
        assert np.abs(upsample(small, rgb) - usual).max() < 1e-4


def test_the_photo_at_working_size_may_be_given(hair):
    rgb, small = composite(hair, (30, 20, 20)), shrink(hair, 2.2)
    given = upsample(small, rgb, shrink(rgb, 2.2))
    np.testing.assert_array_equal(given, upsample(small, rgb))


def test_zero_and_one_stay_exact_away_from_edges(hair):
    rgb, ratio = composite(hair, (30, 20, 20)), 2.2
    small = shrink(hair, ratio)
    alpha = upsample(small, rgb)
    for value in (0, 1):
        inside = cv2.erode((small == value).astype(np.uint8), np.ones((9, 9), np.uint8))
        inside = cv2.resize(inside, (800, 600), interpolation=cv2.INTER_NEAREST) > 0
        assert inside.sum() > 20_000
        assert (alpha[inside] == value).all()
    assert alpha.min() == 0
    assert alpha.max() == 1


def test_almost_solid_is_solid():
    """The released BSHM says 254 of 255 for solid, and lossy networks 1 for nothing."""
    rgb = np.random.RandomState(0).randint(0, 256, (90, 120, 3)).astype(np.uint8)
    for level, value in ((254, 1), (1, 0)):
        small = np.full((30, 40), level / 255, np.float32)
        assert (upsample(small, rgb) == value).all()
        assert (upsample(cv2.resize(small, (120, 90)), rgb) == value).all()


def test_alpha_of_the_photo_s_size_is_kept(hair):
    alpha = upsample(hair, composite(hair, (30, 20, 20)))
    assert np.abs(alpha - hair).max() <= SNAP


@pytest.mark.parametrize(
    ("small", "large"),
    [
        ((1, 1), (1, 1)),
        ((1, 1), (5, 3)),
        ((1, 40), (1, 300)),
        ((40, 1), (300, 1)),
        ((2, 900), (7, 5000)),
        ((31, 17), (32, 18)),
        ((50, 60), (20, 30)),  # alpha larger than the photo
        ((50, 20), (20, 50)),
        ((7, 5), (997, 1009)),
    ],
)
@pytest.mark.parametrize("kind", ["zeros", "ones", "half", "edge"])
def test_any_size(small, large, kind):
    random = np.random.RandomState(2)
    rgb = random.randint(0, 256, (*large, 3)).astype(np.uint8)
    values = {"zeros": 0, "ones": 1, "half": 0.5}
    if kind == "edge":
        alpha = (random.rand(*small) > 0.5).astype(np.float32)
    else:
        alpha = np.full(small, values[kind], np.float32)
    result = upsample(alpha, rgb)
    assert result.shape == large
    assert result.dtype == np.float32
    assert result.min() >= 0
    assert result.max() <= 1
    if kind != "edge":
        assert np.abs(result - values[kind]).max() < 1e-3 * (kind == "half") + 1e-12


@pytest.mark.parametrize("length", [5, 64, 131])
@pytest.mark.parametrize("ratio", [1, 1.3, 2, 7.7])
def test_interpolation_is_that_of_opencv(length, ratio):
    """Which makes the working size photo, `cv2.resize`d, line up with the alpha."""
    large = round(length * ratio)
    values = np.random.RandomState(5).rand(length, 1).astype(np.float32)
    expected = cv2.resize(values, (1, large), interpolation=cv2.INTER_CUBIC)
    strips = _strips(length, 17, large)
    found = np.concatenate([strip.weights @ values[strip.near] for strip in strips])
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_memory_beside_the_result_is_bounded():
    height, width = 4000, 5000
    small = draw(160, 200, 60)
    small = cv2.resize(small, (800, 640), interpolation=cv2.INTER_LINEAR)
    rgb = np.full((height, width, 3), 60, np.uint8)
    tracemalloc.start()
    alpha = upsample(small, rgb)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert ((alpha > 0) & (alpha < 1)).mean() > 0.02
    assert peak - alpha.nbytes < 50e6
