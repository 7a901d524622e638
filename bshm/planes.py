"""Windows and channels of pictures in memory."""

from __future__ import annotations

from typing import Callable, Iterator, Tuple

import cv2
import numpy as np

from bshm.pictures import Box

Window = Tuple[slice, slice]  # rows and columns of an image
STRIPE = 1 << 18  # pixels handled at a time, so that no second whole picture is made


def split(rgb: np.ndarray) -> list[np.ndarray]:
    """The three channels of any window of a photo."""
    # On whole rows of memory `cv2.split` takes a fraction of the time.
    return list(cv2.split(np.ascontiguousarray(rgb)))


def resized(
    rgb: np.ndarray, alpha: np.ndarray | None, resize: Callable[[np.ndarray], np.ndarray]
) -> tuple[np.ndarray, np.ndarray | None]:
    """Colours uint8 ``[H, W, 3]`` and alpha uint8 ``[H, W]`` of another size.

    Colours are weighted by alpha: what is transparent has none, and often is black.
    """
    if alpha is None:
        return resize(rgb), None
    weighted = resize(cv2.multiply(rgb, cv2.merge([alpha] * 3), scale=1 / 255))
    alpha = resize(alpha)
    return cv2.divide(weighted, cv2.merge([alpha] * 3), scale=255), alpha


def stripes(height: int, width: int) -> Iterator[slice]:
    """The rows of a picture of that size in parts of at most `STRIPE` pixels, or of one row."""
    rows = max(1, STRIPE // width)
    for top in range(0, height, rows):
        yield slice(top, min(top + rows, height))


def bounds(mask: np.ndarray) -> Window:
    """The smallest window that holds all of a mask."""
    # Not `cv2.boundingRect`: it misses pixels of small masks in OpenCV 4.5.1.
    rows, cols = np.flatnonzero(mask.max(axis=1)), np.flatnonzero(mask.max(axis=0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(cols[0]), int(cols[-1]) + 1)


def box(mask: np.ndarray) -> Box | None:
    """The same as a `Box`, or None where the mask is empty."""
    if not mask.any():
        return None
    rows, columns = bounds(mask)
    return Box(rows.start, rows.stop, columns.start, columns.stop)
