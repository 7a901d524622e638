"""The error measures: cases small enough to work out by hand, and properties of each."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import metrics

ERRORS = [metrics.mad, metrics.mse, metrics.sad, metrics.grad, metrics.conn]


def alpha(rows) -> np.ndarray:
    return np.array(rows, np.float32)


def random_pair(seed: int, shape=(13, 11)):
    """Two mattes in steps of 1/255 with solid, clear and soft places, like those from PNG files."""
    rng = np.random.default_rng(seed)
    pair = np.clip(rng.normal(0.5, 0.6, (2, *shape)), 0, 1)
    return [np.float32(np.round(a * 255) / 255) for a in pair]


seeds = st.integers(0, 2**32 - 1)


# Counts and IoU


def test_count_sorts_pixels_at_half():
    predicted = alpha([[0.6, 0.5, 0.51, 0.0]])
    true = alpha([[1.0, 1.0, 0.0, 0.5]])
    # 0.5 itself is background, on both sides.
    assert metrics.count(predicted, true) == metrics.Counts(1, 1, 1, 1)


def test_iou_by_hand():
    counts = metrics.Counts(both=6, only_predicted=2, only_true=4, neither=8)
    assert metrics.foreground_iou(counts) == 6 / 12
    assert metrics.mean_iou(counts) == (6 / 12 + 8 / 14) / 2


def test_mean_iou_of_a_set_pools_pixels_not_photos():
    good = metrics.count(np.ones((10, 10), np.float32), np.ones((10, 10), np.float32))
    bad = metrics.count(np.ones((1, 4), np.float32), np.zeros((1, 4), np.float32))
    pooled = good.plus(bad)
    assert metrics.foreground_iou(pooled) == 100 / 104
    assert metrics.mean_iou(pooled) == (100 / 104 + 0 / 4) / 2


def test_iou_of_an_empty_photo_found_empty_is_perfect():
    empty = np.zeros((3, 3), np.float32)
    counts = metrics.count(empty, empty)
    assert metrics.foreground_iou(counts) == 1
    assert metrics.mean_iou(counts) == 1


@given(seeds)
def test_counts_cover_every_pixel_and_iou_is_symmetric(seed):
    a, b = random_pair(seed)
    counts = metrics.count(a, b)
    assert sum(counts) == a.size
    assert metrics.mean_iou(counts) == metrics.mean_iou(metrics.count(b, a))


# Differences


def test_differences_by_hand():
    predicted = alpha([[1.0, 0.5], [0.0, 0.25]])
    true = alpha([[1.0, 1.0], [0.0, 0.0]])
    assert metrics.mad(predicted, true) == pytest.approx(0.75 / 4)
    assert metrics.mse(predicted, true) == pytest.approx((0.25 + 0.0625) / 4)
    assert metrics.sad(predicted, true) == pytest.approx(0.75 / 1000)


def test_sad_of_a_large_matte_does_not_lose_small_errors():
    # float32 accumulation would stop counting long before 4 million pixels of 0.1.
    predicted = np.full((2000, 2000), 0.1, np.float32)
    assert metrics.sad(predicted, np.zeros_like(predicted)) == pytest.approx(400, rel=1e-5)


# Grad


def slow_gradient_magnitude(a: np.ndarray) -> np.ndarray:
    """Dense 2-D filters, applied pixel by pixel, straight from the definition."""
    sigma = 1.4
    reach = math.ceil(sigma * math.sqrt(-2 * math.log(math.sqrt(2 * math.pi) * sigma * 0.01)))

    def gauss(x):
        return math.exp(-(x**2) / (2 * sigma**2)) / (sigma * math.sqrt(2 * math.pi))

    size = range(-reach, reach + 1)
    filter_x = np.array([[gauss(y) * -x * gauss(x) / sigma**2 for x in size] for y in size])
    filter_x /= math.sqrt(float((filter_x**2).sum()))
    padded = np.pad(a.astype(np.float64), reach, mode="edge")
    out = np.zeros(a.shape)
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            window = padded[i : i + 2 * reach + 1, j : j + 2 * reach + 1]
            out[i, j] = math.hypot((window * filter_x).sum(), (window * filter_x.T).sum())
    return out


@given(seeds)
@settings(max_examples=10, deadline=None)
def test_grad_equals_the_slow_reference(seed):
    a, b = random_pair(seed)
    difference = slow_gradient_magnitude(a) - slow_gradient_magnitude(b)
    assert metrics.grad(a, b) == pytest.approx((difference**2).sum() / 1000, rel=1e-4)


def test_grad_ignores_a_constant_offset():
    soft = np.tile(np.linspace(0, 0.5, 32, dtype=np.float32), (32, 1))
    assert metrics.grad(soft + np.float32(0.5), soft) == pytest.approx(0, abs=1e-9)
    assert metrics.mad(soft + np.float32(0.5), soft) == pytest.approx(0.5)


def test_grad_punishes_a_blurred_edge_more_the_blurrier():
    x = np.arange(64, dtype=np.float32)
    true = np.tile(np.float32(x > 32), (32, 1))
    edges = [np.tile(1 / (1 + np.exp(-(x - 32.5) / width)), (32, 1)) for width in (0.5, 2, 6)]
    errors = [metrics.grad(np.float32(edge), true) for edge in edges]
    assert errors == sorted(errors)
    assert errors[0] < errors[-1]


# Conn


def slow_conn(p: np.ndarray, t: np.ndarray) -> float:
    """Flood fill for every threshold, one pixel at a time."""
    height, width = p.shape
    level = np.full(p.shape, -1.0)
    for i in range(1, 11):
        reached = (p >= np.float32(i / 10)) & (t >= np.float32(i / 10))
        regions, seen = [], np.zeros(p.shape, bool)
        for start in zip(*np.nonzero(reached)):
            if seen[start]:
                continue
            region, edge = set(), [start]
            seen[start] = True
            while edge:
                y, x = edge.pop()
                region.add((y, x))
                for near in ((y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)):
                    inside = 0 <= near[0] < height and 0 <= near[1] < width
                    if inside and reached[near] and not seen[near]:
                        seen[near] = True
                        edge.append(near)
            regions.append(region)
        largest = max(regions, key=len) if regions else set()
        for y in range(height):
            for x in range(width):
                if level[y, x] == -1 and (y, x) not in largest:
                    level[y, x] = (i - 1) / 10
    level[level == -1] = 1

    def phi(a):
        d = a.astype(np.float64) - level
        return 1 - d * (d >= 0.15)

    return float(np.abs(phi(p) - phi(t)).sum()) / 1000


@given(seeds)
@settings(max_examples=40, deadline=None)
def test_conn_equals_the_slow_reference(seed):
    a, b = random_pair(seed, (9, 8))
    # A connected body, so that "the largest region" has no ties to be broken either way.
    a[:, :5] = b[:, :5] = 1
    assert metrics.conn(a, b) == pytest.approx(slow_conn(a, b), abs=1e-6)


def test_conn_by_hand_counts_a_detached_blob_in_full():
    true = np.zeros((10, 10), np.float32)
    true[:, :5] = 1
    predicted = true.copy()
    predicted[4:6, 7:9] = 0.75
    # The blob joins nothing at any threshold: l = 0, phi = 1 - 0.75 there and 1 in the truth.
    assert metrics.conn(predicted, true) == pytest.approx(4 * 0.75 / 1000)


def test_conn_forgives_a_difference_below_theta():
    true = np.ones((10, 10), np.float32)
    predicted = true.copy()
    predicted[5, 5] = 0.88
    # l = 0.8: the truth is 0.2 above it (counts), the prediction 0.08 (does not).
    assert metrics.conn(predicted, true) == pytest.approx(0.2 / 1000)
    predicted[5, 5] = 0.92
    # l = 0.9: both lie less than theta above it.
    assert metrics.conn(predicted, true) == 0


def test_conn_is_4_connected():
    true = np.zeros((4, 4), np.float32)
    true[:3, :3] = 1
    true[3, 3] = 1
    assert metrics.conn(true, true) == 0
    predicted = true.copy()
    predicted[3, 3] = 0
    # The corner touches the body by a diagonal only: it is no part of it, and losing it costs 1.
    assert metrics.conn(predicted, true) == pytest.approx(1 / 1000)


def test_conn_grows_with_the_number_of_detached_pixels():
    true = np.zeros((20, 20), np.float32)
    true[:, :8] = 1
    predicted, errors = true.copy(), []
    for row in range(0, 20, 2):
        predicted[row, 15] = 1
        errors.append(metrics.conn(predicted, true))
    assert all(b > a for a, b in zip(errors, errors[1:]))


# What all errors share


@pytest.mark.parametrize("error", ERRORS)
@given(seed=seeds)
@settings(max_examples=20, deadline=None)
def test_an_error_is_zero_for_itself_symmetric_and_never_negative(error, seed):
    a, b = random_pair(seed)
    assert error(a, a) == 0
    assert error(a, b) == pytest.approx(error(b, a))
    assert error(a, b) > 0


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("turned", [np.fliplr, np.flipud, np.transpose])
def test_an_error_does_not_depend_on_which_way_the_photo_lies(error, turned):
    a, b = random_pair(7, (16, 12))
    a[:, :6] = b[:, :6] = 1
    before = error(a, b)
    after = error(np.ascontiguousarray(turned(a)), np.ascontiguousarray(turned(b)))
    assert after == pytest.approx(before, rel=1e-5)


@pytest.mark.parametrize("error", ERRORS)
def test_an_error_refuses_mattes_of_two_sizes(error):
    with pytest.raises(ValueError, match="of one size"):
        error(np.zeros((4, 5), np.float32), np.zeros((5, 4), np.float32))


@pytest.mark.parametrize("error", [*ERRORS, metrics.count])
def test_an_error_refuses_bytes_which_would_wrap_around(error):
    with pytest.raises(ValueError, match="floats"):
        error(np.zeros((4, 4), np.uint8), np.ones((4, 4), np.uint8))
