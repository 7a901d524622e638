"""Edge colours: free of the old background, the photo's own where solid, seamless, bounded."""

from __future__ import annotations

import tracemalloc

import cv2
import numpy as np
import pytest

from bshm.matting import edge_colours
from tests.helpers import sample


def draw(height, width, seed=0):
    """Alpha of a head with hair, a soft shoulder and a hard edge, drawn twice as large."""
    random = np.random.RandomState(seed)
    canvas = np.zeros((2 * height, 2 * width), np.uint8)
    middle, radius = np.array([width, 1.2 * height]), 0.6 * height
    cv2.circle(canvas, tuple(int(v) for v in middle), int(0.8 * radius), 255, -1)
    cv2.rectangle(canvas, (0, int(1.9 * height)), (2 * width, 2 * height), 255, -1)
    for _ in range(400):
        angle, bend = random.uniform(-np.pi, 0), random.normal(0, 0.8)
        turn = angle + bend * np.linspace(0, 1, 12)[:, None]
        line = middle + 0.75 * radius * np.array([np.cos(angle), np.sin(angle)])
        steps = np.hstack([np.cos(turn), np.sin(turn)]) * random.gamma(3, 0.01) * radius
        points = [(line + np.cumsum(steps, axis=0)).round().astype(np.int32)]
        cv2.polylines(canvas, points, False, 255, random.randint(1, 6), cv2.LINE_AA)
    alpha = cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA) / np.float32(255)
    shoulder = cv2.GaussianBlur(alpha, (0, 0), height / 60)
    alpha[:, : width // 3] = shoulder[:, : width // 3]
    alpha[alpha < 0.5 / 255] = 0
    alpha[alpha > 254.5 / 255] = 1
    return alpha


class Scene:
    """A composite whose foreground is known."""

    def __init__(self, tint, height=600, width=800):
        self.alpha = draw(height, width)
        near = 0.5 * sample("2.png", height, width) + 0.5 * np.array(tint)
        self.near = near.round().astype(np.uint8)
        share = self.alpha[..., None]
        mixed = share * self.near + (1 - share) * sample("1.png", height, width)
        noise = np.random.RandomState(1).normal(0, 1.5, mixed.shape)
        self.rgb = np.clip(mixed + noise, 0, 255).round().astype(np.uint8)
        self.soft = (self.alpha > 0) & (self.alpha < 1)

    def mad(self, colours):
        """Mean absolute difference to the true foreground where alpha is soft, times alpha."""
        error = np.abs(colours.astype(np.float32) - self.near).mean(axis=2) * self.alpha
        return error[self.soft].mean()


@pytest.fixture(scope="module", params=[(30, 20, 20), (250, 230, 180), (110, 80, 60)])
def scene(request):
    return Scene(request.param)


def blur_fusion(rgb, alpha):
    """Blur-fusion x2 as its authors publish it (Forte & Pitie, ICIP 2021), radii 90 and 6."""
    image, alpha = rgb.astype(np.float32), alpha[..., None]
    fore = back = image
    for side in (90, 6):
        share = cv2.blur(alpha, (side, side))[..., None]
        means = cv2.blur(fore * alpha, (side, side)) / (share + 1e-5)
        back = cv2.blur(back * (1 - alpha), (side, side)) / (1 - share + 1e-5)
        fore = np.clip(means + alpha * (image - alpha * means - (1 - alpha) * back), 0, 255)
    return fore


def test_colours_are_closer_to_the_truth_than_blur_fusion_s(scene):
    mad = scene.mad(edge_colours.estimate(scene.rgb, scene.alpha))
    assert mad < 0.85 * scene.mad(blur_fusion(scene.rgb, scene.alpha))
    assert mad < 0.5 * scene.mad(scene.rgb)


def test_no_halo_of_a_bright_background():
    """Dark hair before white, put before black: hardly any white may stay."""
    alpha = draw(600, 800)
    rgb = np.repeat((255 - 225 * alpha).round().astype(np.uint8)[..., None], 3, axis=2)
    soft = (alpha > 0) & (alpha < 1)

    def halo(colours):
        return np.abs(alpha[..., None] * (colours - np.float32(30)))[soft]

    assert halo(rgb).mean() > 20
    left = halo(edge_colours.estimate(rgb, alpha))
    assert left.mean() < 4
    assert np.percentile(left, 99) < 25


def test_solid_pixels_are_the_photo_s_and_empty_ones_black(scene):
    colours = edge_colours.estimate(scene.rgb, scene.alpha)
    np.testing.assert_array_equal(colours[scene.alpha == 1], scene.rgb[scene.alpha == 1])
    assert (colours[scene.alpha == 0] == 0).all()
    assert (colours[scene.soft] != scene.rgb[scene.soft]).mean() > 0.5


def test_cutout_is_the_colours_and_alpha(scene):
    cutout = edge_colours.cutout(scene.rgb, scene.alpha)
    np.testing.assert_array_equal(cutout[..., :3], edge_colours.estimate(scene.rgb, scene.alpha))
    np.testing.assert_array_equal(cutout[..., 3], np.rint(scene.alpha * 255))


@pytest.mark.parametrize("tile", [9, 40, 111, 10**6])
@pytest.mark.parametrize("cell", [1, 2, 3])
def test_tiles_leave_no_seams(tile, cell, monkeypatch):
    scene = Scene((110, 80, 60), 203, 331)
    monkeypatch.setattr(edge_colours, "GRID", (203 * 331) ** 0.5 / cell)
    usual = edge_colours.estimate(scene.rgb, scene.alpha)
    monkeypatch.setattr(edge_colours, "TILE", tile)
    colours = edge_colours.estimate(scene.rgb, scene.alpha)
    assert np.abs(colours.astype(int) - usual).max() <= 1


def test_a_large_photo_loses_little_to_the_shrinking_of_it(monkeypatch):
    scene = Scene((110, 80, 60), 1200, 1600)  # cells of 4 pixels
    exact = scene.mad(edge_colours.estimate(scene.rgb, scene.alpha))
    monkeypatch.setattr(edge_colours, "FINE", 2)
    shrunk = scene.mad(edge_colours.estimate(scene.rgb, scene.alpha))
    assert exact < shrunk < 1.15 * exact


def test_reach_follows_the_photo_s_size():
    """A photo and its enlargement give the same colours, but for the camera's noise."""
    small = Scene((110, 80, 60))
    size = (2400, 1800)
    rgb = cv2.resize(small.rgb, size, interpolation=cv2.INTER_LINEAR)
    alpha = cv2.resize(small.alpha, size, interpolation=cv2.INTER_LINEAR)
    colours = edge_colours.estimate(rgb, alpha)
    colours = cv2.resize(colours, (800, 600), interpolation=cv2.INTER_AREA)
    assert small.mad(colours) < 1.3 * small.mad(edge_colours.estimate(small.rgb, small.alpha))


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (300, 1), (7, 5000), (257, 256), (33, 1025)])
@pytest.mark.parametrize("kind", ["zeros", "ones", "half", "noise"])
def test_any_size(shape, kind):
    random = np.random.RandomState(4)
    rgb = random.randint(0, 256, (*shape, 3)).astype(np.uint8)
    alpha = {
        "zeros": np.zeros(shape, np.float32),
        "ones": np.ones(shape, np.float32),
        "half": np.full(shape, 0.5, np.float32),
        "noise": random.rand(*shape).astype(np.float32),
    }[kind]
    before = rgb.copy(), alpha.copy()
    cutout = edge_colours.cutout(rgb, alpha)
    assert cutout.shape == (*shape, 4)
    assert cutout.dtype == np.uint8
    np.testing.assert_array_equal(cutout[..., 3], np.rint(alpha * 255))
    if kind == "ones":
        np.testing.assert_array_equal(cutout[..., :3], rgb)
    elif kind == "zeros":
        assert not cutout.any()
    np.testing.assert_array_equal(rgb, before[0])
    np.testing.assert_array_equal(alpha, before[1])


def test_memory_beside_the_result_is_bounded():
    height, width = 4000, 5000
    alpha = cv2.resize(draw(400, 500), (width, height), interpolation=cv2.INTER_LINEAR)
    rgb = np.full((height, width, 3), 60, np.uint8)
    tracemalloc.start()
    cutout = edge_colours.cutout(rgb, alpha)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert ((alpha > 0) & (alpha < 1)).mean() > 0.02
    assert peak - cutout.nbytes < 40e6
