"""Edge colours without the old background.

A pixel at an edge shows I = alpha F + (1 - alpha) B; a cutout must carry F. F and B vary little, so
they are sought on a coarse grid, in three steps, from far to near:

1. Means of I over a wide window, weighted by alpha² and by (1 - alpha)².
2. The F and B that explain a smaller window best (least squares), pulled towards those of step 1.
3. Blur-fusion (Forte & Pitie, "Approximate Fast Foreground Colour Estimation", ICIP 2021): what F
   and B leave unexplained, r = I - alpha F - (1 - alpha) B, is shared out as alpha r to F and
   (1 - alpha) r to B, and narrow means are taken, weighted by alpha and by 1 - alpha. Three times.

All that they need to know of a cell are a few means: of powers of alpha, and of their products with
I. So each counts every pixel, yet costs next to nothing. F takes its last share at full size, tile
by tile; a tile without an edge costs no more than a copy.
"""

from __future__ import annotations

from typing import Iterator

import cv2
import numpy as np

from bshm.planes import Window, bounds, split

TILE = 256  # pixels: side of the parts in which the photo is gone through
GRID = 360  # cells along the side of a square photo: a cell is 4 pixels at 1080p
FINE = 8  # pixels a cell: a larger photo is shrunk to that before alpha and I are multiplied
FAR_RADIUS = 32  # cells: of the windows of step 1
NEAR_RADIUS = 8  # cells: of the windows of step 2
FUSION_RADII = (3, 2, 1)  # cells: of each round of step 3
# Share of a window's pixels: weight of step 1's estimate in step 2.
FAR_PRIOR_WEIGHT = np.float32(0.1)
# Pixels a cell: the weight given to any colour, so that F is defined where alpha is 0, and B at 1.
EPSILON = np.float32(1e-3)


def estimate(rgb: np.ndarray, alpha: np.ndarray, cells: int = 0) -> np.ndarray:
    """Foreground colours: photo uint8 ``[H, W, 3]``, alpha float32 ``[H, W]`` in 0–1 -> uint8.

    cells: along the side of a square photo, 0 for `GRID`; fewer are quicker and less exact

    Equal to the photo where alpha rounds to 255 of 255, and 0 where it rounds to 0. Memory beside
    the result is bounded.
    """
    out = np.zeros_like(rgb)
    for place, _, colours in _tiles(rgb, alpha, cells):
        out[place] = cv2.merge(colours)
    return out


def cutout(rgb: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """RGBA uint8 ``[H, W, 4]``, straight: the colours of `estimate`, and alpha."""
    out = np.zeros((*alpha.shape, 4), np.uint8)
    for place, level, colours in _tiles(rgb, alpha):
        out[place] = cv2.merge([*colours, level])
    return out


def _tiles(
    rgb: np.ndarray, alpha: np.ndarray, cells: int = 0
) -> Iterator[tuple[Window, np.ndarray, list[np.ndarray]]]:
    """Place, alpha 0–255 and three channels of every tile that shows something."""
    height, width = alpha.shape
    cell = max(1, round((height * width) ** 0.5 / (cells or GRID)))
    cell -= cell % _fine(cell)
    grid = None
    for place in _windows(height, width, cell):
        level = cv2.convertScaleAbs(alpha[place], alpha=255)
        if not cv2.countNonZero(level):
            continue
        colours = split(rgb[place])
        soft = cv2.inRange(level, 1, 254)
        if cv2.countNonZero(soft):
            if grid is None:
                grid = _grid(rgb, alpha, cell)
            box = bounds(soft)
            found = _share(rgb[place][box], alpha[place][box], _grow(grid, cell, place, box))
            for channel, new in zip(colours, found):
                cv2.copyTo(new, soft[box], dst=channel[box])
        _, shown = cv2.threshold(level, 0, 255, cv2.THRESH_BINARY)
        yield place, level, [cv2.bitwise_and(channel, shown) for channel in colours]


def _windows(height: int, width: int, cell: int) -> Iterator[Window]:
    """Tiles of whole cells, except at the photo's right and bottom."""
    size = max(TILE // cell, 1) * cell
    for y in range(0, height, size):
        for x in range(0, width, size):
            yield slice(y, min(y + size, height)), slice(x, min(x + size, width))


def _grid(rgb: np.ndarray, alpha: np.ndarray, cell: int) -> np.ndarray:
    """F and B of the cells at edges and around: float32 ``[2, 3, rows, cols]``, 0 elsewhere."""
    means = _moments(rgb, alpha, cell)
    soft = ((means[0] > 0) & (means[0] < 1)).astype(np.uint8)
    grid = np.zeros((2, 3, *soft.shape), np.float32)
    rows, cols = (
        slice(max(side.start - FAR_RADIUS, 0), side.stop + FAR_RADIUS) for side in bounds(soft)
    )
    means = np.ascontiguousarray(means[:, rows, cols])
    colours = _Colours(*means[:3])
    for c in range(3):
        fore, back = colours.of_channel(*means[3 + c :: 3])
        grid[0, c, rows, cols], grid[1, c, rows, cols] = fore, back
    return grid


class _Colours:
    """The three steps for a grid of cells; what follows from alpha alone is computed once.

    a, aa, aaa: means over each cell of alpha, alpha² and alpha³, float32 ``[rows, cols]``
    """

    def __init__(self, a: np.ndarray, aa: np.ndarray, aaa: np.ndarray) -> None:
        rest, rest_squared = 1 - a, 1 - 2 * a + aa  # means of 1 - alpha and of its square
        # Step 1: one over the sums of the weights.
        self.far_fore = 1 / (_box(aa, FAR_RADIUS) + EPSILON)
        self.far_back = 1 / (_box(rest_squared, FAR_RADIUS) + EPSILON)
        # Step 2: the inverse of the normal equations [[ff, fb], [fb, bb]] of F and B.
        ff = _box(aa, NEAR_RADIUS) + FAR_PRIOR_WEIGHT
        fb = _box(a - aa, NEAR_RADIUS)
        bb = _box(rest_squared, NEAR_RADIUS) + FAR_PRIOR_WEIGHT
        scale = 1 / (ff * bb - fb * fb)
        self.ff, self.fb, self.bb = ff * scale, fb * scale, bb * scale
        # Step 3: with r = I - alpha F - (1 - alpha) B, the means over a cell are
        #   alpha (F + alpha r)             = p F - q B + alpha² I
        #   (1 - alpha) (B + (1 - alpha) r) = u B - v F + (1 - alpha)² I
        # where p, q, u, v are the means of alpha - alpha³, alpha² - alpha³,
        # (1 - alpha) - (1 - alpha)³ = 2 p - 3 q and alpha (1 - alpha)² = p - 2 q.
        p, q = a - aaa, aa - aaa
        self.u, self.v = 2 * p - 3 * q + EPSILON, p - 2 * q
        self.p, self.q = p + EPSILON, q
        self.rounds = [
            (
                radius,
                1 / (_box(a, radius) + EPSILON),
                1 / (_box(rest, radius) + EPSILON),
            )
            for radius in FUSION_RADII
        ]

    def of_channel(
        self, i: np.ndarray, ai: np.ndarray, aai: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """F and B of one channel from the means of I, alpha I and alpha² I."""
        rest_squared_i = i - 2 * ai + aai
        fore = (_box(aai, FAR_RADIUS) + EPSILON * i) * self.far_fore
        back = (_box(rest_squared_i, FAR_RADIUS) + EPSILON * i) * self.far_back

        by_fore = _box(ai, NEAR_RADIUS) + FAR_PRIOR_WEIGHT * fore
        by_back = _box(i - ai, NEAR_RADIUS) + FAR_PRIOR_WEIGHT * back
        fore = np.clip(self.bb * by_fore - self.fb * by_back, 0, 255)
        back = np.clip(self.ff * by_back - self.fb * by_fore, 0, 255)

        for radius, by_alpha, by_rest in self.rounds:
            new_fore = self.p * fore - self.q * back + aai
            new_back = self.u * back - self.v * fore + rest_squared_i
            fore, back = _box(new_fore, radius) * by_alpha, _box(new_back, radius) * by_rest
        return fore, back


def _moments(rgb: np.ndarray, alpha: np.ndarray, cell: int) -> np.ndarray:
    """Means over cells of a, a², a³, I, a I, a² I, where a is alpha: ``[12, rows, cols]``."""
    height, width = alpha.shape
    fine = _fine(cell)
    means = np.empty((12, -(-height // cell), -(-width // cell)), np.float32)
    for place in _windows(height, width, cell):
        cells = tuple(slice(side.start // cell, -(-side.stop // cell)) for side in place)
        out = means[(slice(None), *cells)]
        near, colour = _shrink(_fill(alpha[place], cell), fine), _fill(rgb[place], cell)
        colour = _shrink(colour, fine)
        if near.min() == near.max():
            for power in range(3):
                out[power] = near[0, 0] ** (power + 1)
            for c, channel in enumerate(split(_shrink(colour, cell // fine))):
                out[3 + c] = channel
                out[6 + c] = out[3 + c] * out[0]
                out[9 + c] = out[3 + c] * out[1]
            continue
        square = near * near
        for power, plane in enumerate((near, square, square * near)):
            out[power] = _shrink(plane, cell // fine)
        for c, channel in enumerate(split(colour)):
            plane = channel.astype(np.float32)
            for power in range(3):
                out[3 + 3 * power + c] = _shrink(plane, cell // fine)
                plane *= near
    return means


def _fine(cell: int) -> int:
    """How far the photo is shrunk before the products: a power of two, the quickest."""
    return 1 << (max(1, cell // FINE).bit_length() - 1)


def _fill(pixels: np.ndarray, cell: int) -> np.ndarray:
    """Whole cells: at the photo's right and bottom the last pixels are repeated."""
    down, across = -pixels.shape[0] % cell, -pixels.shape[1] % cell
    if not down and not across:
        return pixels
    return cv2.copyMakeBorder(pixels, 0, down, 0, across, cv2.BORDER_REPLICATE)


def _shrink(pixels: np.ndarray, by: int) -> np.ndarray:
    """Means over squares."""
    while by > 1:
        step = by if by % 2 else 2  # halving is several times as fast
        size = (pixels.shape[1] // step, pixels.shape[0] // step)
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
        by //= step
    return pixels


def _box(plane: np.ndarray, radius: int) -> np.ndarray:
    """Means over windows."""
    side = 2 * radius + 1
    return cv2.boxFilter(plane, -1, (side, side), borderType=cv2.BORDER_REPLICATE)


def _grow(grid: np.ndarray, cell: int, place: Window, box: Window) -> list[np.ndarray]:
    """F and B, bilinear, in a window of a tile of the photo: six planes."""
    cells, inner = [], []
    for whole, part in zip(place, box):
        start = whole.start + part.start
        first = max(start // cell - 1, 0)
        cells.append(slice(first, (whole.start + part.stop - 1) // cell + 2))
        inner.append(slice(start - first * cell, start - first * cell + part.stop - part.start))
    near = grid[(slice(None), slice(None), *cells)]
    size = (near.shape[3] * cell, near.shape[2] * cell)
    return [cv2.resize(plane, size)[tuple(inner)] for side in near for plane in side]


def _share(rgb: np.ndarray, alpha: np.ndarray, planes: list[np.ndarray]) -> list[np.ndarray]:
    """F with its share of what F and B leave unexplained: three channels, uint8."""
    found = []
    for channel, fore, back in zip(split(rgb), planes[:3], planes[3:]):
        left = cv2.subtract(channel, back, dtype=cv2.CV_32F)
        left -= alpha * (fore - back)
        left *= alpha
        left += fore
        found.append(cv2.convertScaleAbs(np.maximum(left, 0, out=left)))  # rounds, stops at 255
    return found
