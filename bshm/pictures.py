"""A decoded photo, and a window in one. Importing this module does not load numpy."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np


class Photo(NamedTuple):
    """A decoded photo, upright.

    rgb: uint8 ``[H, W, 3]``; where the file has transparency, the straight colours stored there
    icc: the RGB profile that ``rgb`` is in, to be embedded in the output; None means sRGB
    alpha: uint8 ``[H, W]``, the file's own transparency, or None if all of it is opaque. Multiply
        the matte by it; otherwise areas that the file had made transparent reappear.
    """

    rgb: np.ndarray
    icc: bytes | None = None
    alpha: np.ndarray | None = None


class Box(NamedTuple):
    """A window in pixels: [top:bottom, left:right]."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def area(self) -> int:
        return (self.bottom - self.top) * (self.right - self.left)

    def of(self, plane: np.ndarray) -> np.ndarray:
        """The window of an array ``[H, W, ...]``, not copied."""
        return plane[self.top : self.bottom, self.left : self.right]

    def overlaps(self, other: Box) -> bool:
        return (
            self.top < other.bottom
            and other.top < self.bottom
            and self.left < other.right
            and other.left < self.right
        )

    def scaled(self, down: float, across: float) -> Box:
        """The same window of a picture so many times as high and as wide."""
        return Box(
            round(self.top * down),
            round(self.bottom * down),
            round(self.left * across),
            round(self.right * across),
        )

    def moved(self, down: int, across: int) -> Box:
        """The same window so many pixels farther down and to the right."""
        return Box(self.top + down, self.bottom + down, self.left + across, self.right + across)

    def join(self, other: Box) -> Box:
        return Box(
            min(self.top, other.top),
            max(self.bottom, other.bottom),
            min(self.left, other.left),
            max(self.right, other.right),
        )
