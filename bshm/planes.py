"""Windows and channels of pictures in memory."""

from __future__ import annotations

from typing import Tuple

import cv2
import numpy as np

from bshm.pictures import Box

Window = Tuple[slice, slice]  # rows and columns of an image


def split(rgb: np.ndarray) -> list[np.ndarray]:
    """The three channels of any window of a photo."""
    # On whole rows of memory `cv2.split` takes a fraction of the time.
    return list(cv2.split(np.ascontiguousarray(rgb)))


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
