"""Smooth maps: reckoned at a small size, looked up at the full one."""

from __future__ import annotations

import cv2
import numpy as np

from bshm.planes import Window

CELLS = 360  # along the side of a square picture: a cell is 4 pixels at 1080p


def grid_size(height: int, width: int) -> tuple[int, int]:
    """Rows and columns of a map of a picture of that size."""
    shrink = min(1.0, CELLS / (height * width) ** 0.5)
    return max(2, round(height * shrink)), max(2, round(width * shrink))


def shrink(plane: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """Means over cells: any plane ``[H, W, ...]`` at a grid's rows and columns.

    By halves as long as they come out even, which OpenCV does several times as fast.
    """
    while all(was % 2 == 0 and was >= 2 * side for was, side in zip(plane.shape, size)):
        half = plane.shape[1] // 2, plane.shape[0] // 2
        plane = cv2.resize(plane, half, interpolation=cv2.INTER_AREA)
    smaller = size[0] < plane.shape[0] or size[1] < plane.shape[1]
    way = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return cv2.resize(plane, (size[1], size[0]), interpolation=way)


def grow(small: np.ndarray, size: tuple[int, ...], window: Window) -> np.ndarray:
    """A window of a map at full ``size`` (height, width): linear between the cells' middles."""
    down, across = small.shape[0] / size[0], small.shape[1] / size[1]
    rows, columns = window
    move = np.array(
        [
            [across, 0, (columns.start + 0.5) * across - 0.5],
            [0, down, (rows.start + 0.5) * down - 0.5],
        ],
        np.float32,
    )
    return cv2.warpAffine(
        small,
        move,
        (columns.stop - columns.start, rows.stop - rows.start),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )


def cells(size: tuple[int, ...], grid: tuple[int, ...], window: Window) -> Window:
    """The part of a map that `grow` looks a window up in."""
    first = [int((side.start + 0.5) * g / n - 0.5) for side, g, n in zip(window, grid, size)]
    last = [int((side.stop - 0.5) * g / n - 0.5) + 2 for side, g, n in zip(window, grid, size)]
    rows, columns = (slice(max(start, 0), stop) for start, stop in zip(first, last))
    return rows, columns


def soften(plane: np.ndarray, sigma: float, sigma_down: float | None = None) -> np.ndarray:
    """Gaussian means, standard deviations in cells; beyond the frame the plane goes on as is."""
    down = sigma if sigma_down is None else sigma_down
    return cv2.GaussianBlur(
        plane, (0, 0), max(sigma, 0.3), sigmaY=max(down, 0.3), borderType=cv2.BORDER_REPLICATE
    )
