"""Alpha from working size to the photo's own pixels, guided by the photo.

The network sees a small copy of the photo, so its alpha is soft by as much as the photo is
larger. Near an edge, alpha is close to a linear function of colour within a few pixels (the
colour line model: Levin et al., "A Closed-Form Solution to Natural Image Matting", 2008). So that
function is fitted at working size, and the photo itself then supplies the detail, as in the fast
guided filter (He & Sun, arXiv 1505.00996), with two changes:

- the lines are not averaged over windows: each passes through its own pixel's alpha, so working
  size alpha comes back exactly where the photo has no detail to add, instead of as a fog;
- before the fit, alpha takes one step towards the compositing equation (`_sharpen`).

Only the surroundings of an edge are computed. The rest is filled with 0 or 1, so the cost beyond
that grows with the length of the edges, not with the photo.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np

from bshm.planes import bounds, split

# alpha: values this near to 0 or 1 become that, for the network's 8 bits may be off by a level
SNAP = 1.5 / 255
STRETCH = 0.5 / 255  # alpha: the same of results, which only have to survive rounding to 8 bits
BLOCK = 128  # working-size pixels: the planes of a block stay in the processor's cache
# Photo and working-size pixels, rows and columns. In larger tiles BLAS would share a product out to
# threads, which costs more than it saves where they are busy.
TILE, TILE_CELLS = (64, 112), (28, 52)
HALO = 3  # working-size pixels: two for `_sharpen`, one for `_fit`
REACH = 3  # working-size pixels: one for `_fit`, two for bicubic weights
# Range of alpha within reach: less is a haze that the photo must not print through, more an edge.
EDGE_RANGE = (0.1, 0.5)
MEANS_RADIUS = 2  # working-size pixels: of the local colours of either side
# Added to |F - B|² (three channels, 0-1): below it, F and B count as equal and alpha stays.
EQUAL_COLOURS = np.float32(0.03)
RIDGE = np.float32(1e-3)  # squared slopes of colour lines, so that flat windows have one
EPSILON = np.float32(1e-4)  # pixels: the weight of any colour, where no other has one


def upsample(alpha: np.ndarray, rgb: np.ndarray, small: np.ndarray | None = None) -> np.ndarray:
    """Bring alpha to the size of the photo.

    Takes alpha, float32 ``[h, w]`` in 0–1, the photo, uint8 ``[H, W, 3]``, and, if it is at hand,
    the photo at alpha's size (``INTER_AREA``; made here otherwise). Returns float32 ``[H, W]`` in
    0–1. Where alpha is 0 or 1 all around, the result is exactly 0 or 1. Memory beside the result
    depends on alpha's size only.
    """
    height, width = rgb.shape[:2]
    rows, cols = min(alpha.shape[0], height), min(alpha.shape[1], width)
    if alpha.shape != (rows, cols):
        alpha = cv2.resize(alpha, (cols, rows), interpolation=cv2.INTER_AREA)
    alpha = np.where(alpha > SNAP, np.where(alpha < 1 - SNAP, alpha, np.float32(1)), np.float32(0))
    if (rows, cols) == (height, width):
        return alpha

    soft, trust = _soft(alpha)
    if soft.any():
        if small is None or small.shape[:2] != (rows, cols):
            small = cv2.resize(rgb, (cols, rows), interpolation=cv2.INTER_AREA)
        planes = _colour_lines(alpha, small, trust)
    del trust
    out = np.zeros((height, width), np.float32)
    down = min(max(1, TILE[0] * rows // height), TILE_CELLS[0])
    across = min(max(1, TILE[1] * cols // width), TILE_CELLS[1])
    strips = _strips(cols, across, width)
    for row in _strips(rows, down, height):
        for column in strips:
            tile = np.s_[row.start : row.stop, column.start : column.stop]
            if soft[row.first : row.last, column.first : column.last].any():
                near = [
                    row.weights @ (plane[row.near, column.near] @ column.weights.T)
                    for plane in planes
                ]
                out[tile] = _apply(near, rgb[tile])
            elif alpha[row.first, column.first] == 1:
                out[tile] = 1
    return out


def _soft(alpha: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where an edge is within reach, and how far each pixel may follow the photo, 0-1."""
    low, high = _extremes(alpha, REACH)
    soft = (high > 0) & (low < 1)
    haze, edge = EDGE_RANGE
    high -= low
    high -= np.float32(haze)
    high /= np.float32(edge - haze)
    return soft, np.clip(high, 0, 1, out=high)


def _extremes(alpha: np.ndarray, reach: int) -> tuple[np.ndarray, np.ndarray]:
    """Least and largest alpha at most `reach` pixels away."""
    window = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    return cv2.erode(alpha, window), cv2.dilate(alpha, window)


def _colour_lines(alpha: np.ndarray, small: np.ndarray, trust: np.ndarray) -> np.ndarray:
    """Planes a, b, c, d ``[4, h, w]``: alpha = a R + b G + c B + d for photo values 0–255.

    `trust` ``[h, w]`` in 0–1 says how far a pixel may follow the photo.
    """
    rows, cols = alpha.shape
    planes = np.zeros((4, rows, cols), np.float32)
    planes[3] = alpha
    low, high = _extremes(alpha, 1)
    edge = (high > 0) & (low < 1)
    del low, high
    rim = (HALO, HALO, HALO, HALO, cv2.BORDER_REPLICATE)
    alpha, small, trust = (cv2.copyMakeBorder(a, *rim) for a in (alpha, small, trust))
    inner = np.s_[HALO:-HALO, HALO:-HALO]
    for y in range(0, rows, BLOCK):
        for x in range(0, cols, BLOCK):
            found = edge[y : y + BLOCK, x : x + BLOCK]
            if not found.any():
                continue
            down, across = bounds(found)
            top, bottom = y + down.start, y + down.stop
            left, right = x + across.start, x + across.stop
            block = np.s_[top:bottom, left:right]
            around = np.s_[top : bottom + 2 * HALO, left : right + 2 * HALO]
            # Centred colours lose the fewest digits in the products.
            colour = np.stack(split(small[around]))
            colour = colour * np.float32(1 / 255) - np.float32(0.5)
            near = alpha[around] + trust[around] * _sharpen(alpha[around], colour)
            near = np.clip(near, 0, 1)
            slopes = _fit(near, colour)[(..., *inner)] * (edge[block] * trust[around][inner])
            planes[(slice(3), *block)] = slopes * np.float32(1 / 255)
            planes[(3, *block)] = near[inner] - _total(
                slopes * (colour[(..., *inner)] + np.float32(0.5))
            )
    # Stretched by a hair, so that rounding cannot keep 0 and 1 from being exact once clipped.
    planes *= np.float32(1 / (1 - 2 * STRETCH))
    planes[3] -= np.float32(STRETCH / (1 - 2 * STRETCH))
    return planes


def _means(planes: np.ndarray, radius: int) -> np.ndarray:
    """Means over windows of all planes ``[n, h, w]`` in one go: spoils `radius` rows at the rim."""
    side = 2 * radius + 1
    flat = planes.reshape(-1, planes.shape[2])
    return cv2.boxFilter(flat, -1, (side, side)).reshape(planes.shape)


def _sharpen(alpha: np.ndarray, colour: np.ndarray) -> np.ndarray:
    """Half a Newton step of alpha towards |I - alpha F - (1 - alpha) B|² + E (da)² = min.

    F and B are the local mean colours of either side, corrected as in blur-fusion (Forte & Pitie,
    ICIP 2021); the prior E grows with the variance of either side's colours, so a texture moves
    nothing. Colour is float32 ``[3, h, w]``.
    """
    squares = _total(colour * colour)
    means = _means(
        np.concatenate([colour, alpha * colour, [alpha, squares, alpha * squares]]), MEANS_RADIUS
    )
    whole, part, (share, whole_squares, part_squares) = means[:3], means[3:6], means[6:]
    by_fore, by_back = 1 / (share + EPSILON), 1 / (1 - share + EPSILON)
    fore = (part + EPSILON * whole) * by_fore
    back = ((1 + EPSILON) * whole - part) * by_back
    noise = np.maximum((part_squares + EPSILON * whole_squares) * by_fore - _total(fore * fore), 0)
    noise *= alpha * alpha
    rest = 1 - alpha
    other = ((1 + EPSILON) * whole_squares - part_squares) * by_back - _total(back * back)
    noise += rest * rest * np.maximum(other, 0)
    fore -= back
    left = colour - back - alpha * fore
    fore += (alpha - rest) * left  # F - B, either with its share of what is left
    # That correction leaves 2 alpha (1 - alpha) of the residual; half of it is the half step.
    return alpha * rest * _total(fore * left) / (_total(fore * fore) + noise + EQUAL_COLOURS)


def _total(planes: np.ndarray) -> np.ndarray:
    return planes[0] + planes[1] + planes[2]


def _fit(alpha: np.ndarray, colour: np.ndarray) -> np.ndarray:
    """Slopes ``[3, h, w]`` of the least-squares colour line in each 3×3 window, with a ridge."""
    red, green, blue = colour
    products = [red * red, green * green, blue * blue, red * green, red * blue, green * blue]
    means = _means(np.concatenate([colour, alpha * colour, products, [alpha]]), 1)
    mean, middle = means[:3], means[12]
    r, g, b = means[3:6] - mean * middle
    # A true variance is not negative; a rounded one of a flat window may be.
    rr, gg, bb = np.maximum(means[6:9] - mean * mean, 0) + RIDGE
    rg = means[9] - mean[0] * mean[1]
    rb = means[10] - mean[0] * mean[2]
    gb = means[11] - mean[1] * mean[2]
    # The inverse of the symmetric 3×3 matrix by cofactors.
    c00, c01, c02 = gg * bb - gb * gb, gb * rb - rg * bb, rg * gb - gg * rb
    c11, c12, c22 = rr * bb - rb * rb, rg * rb - rr * gb, rr * gg - rg * rg
    slopes = np.stack(
        [
            c00 * r + c01 * g + c02 * b,
            c01 * r + c11 * g + c12 * b,
            c02 * r + c12 * g + c22 * b,
        ]
    )
    return slopes / (rr * c00 + rg * c01 + rb * c02)


class _Strip(NamedTuple):
    """Rows or columns of tiles: working-size pixels ``first:last``, photo pixels ``start:stop``.

    near: the working-size pixels that the photo's need
    weights: float32 ``[stop - start, len(near)]``, of those for these
    """

    first: int
    last: int
    start: int
    stop: int
    near: slice
    weights: np.ndarray


@lru_cache(maxsize=8)  # frames of a film, photos of a camera have the same sides again and again
def _strips(small: int, step: int, large: int) -> list[_Strip]:
    """Strips of ``step`` working-size pixels over the side of a photo."""
    base, taps = _bicubic(small, large)
    strips = []
    for first in range(0, small, step):
        last = min(first + step, small)
        start, stop = _span(first, last, small, large)
        near, weights = _matrix(base[start:stop], taps[:, start:stop], small)
        strips.append(_Strip(first, last, start, stop, near, weights))
    return strips


def _span(first: int, last: int, small: int, large: int) -> tuple[int, int]:
    """The photo pixels whose centres lie in working-size pixels `first` to `last`."""
    return (2 * first * large + small) // (2 * small), (2 * last * large + small) // (2 * small)


def _bicubic(small: int, large: int) -> tuple[np.ndarray, np.ndarray]:
    """For each photo pixel of a side a working-size pixel, and four weights ``[4, large]``.

    They are those of the pixel before that one, of itself and of the two after. The same positions
    (half-pixel centres), kernel (Keys, a = -0.75) and borders as `cv2.resize`, which can only start
    at an image's edge.
    """
    centre = (np.arange(large) + 0.5) * (small / large) - 0.5
    base = np.floor(centre).astype(np.int64)
    d = np.abs(centre - base - np.array([[-1], [0], [1], [2]]))
    inner = (1.25 * d - 2.25) * d * d + 1
    outer = ((-0.75 * d + 3.75) * d - 6) * d + 3
    return base, np.where(d < 1, inner, outer).astype(np.float32)


def _matrix(base: np.ndarray, taps: np.ndarray, small: int) -> tuple[slice, np.ndarray]:
    """Working-size pixels that some photo pixels need, and their weights ``[n, m]``."""
    first, last = max(int(base[0]) - 1, 0), min(int(base[-1]) + 3, small)
    weights = np.zeros((len(base), last - first), np.float32)
    lines = np.arange(len(base))
    for tap, weight in zip((-1, 0, 1, 2), taps):
        weights[lines, np.clip(base + tap, first, last - 1) - first] += weight
    return slice(first, last), weights


def _apply(planes: list[np.ndarray], rgb: np.ndarray) -> np.ndarray:
    """alpha = a R + b G + c B + d, clipped, for planes at the size of this part of the photo."""
    total = planes[3]
    for slope, channel in zip(planes, split(rgb)):
        total += cv2.multiply(slope, channel, dtype=cv2.CV_32F)
    return np.clip(total, 0, 1, out=total)
