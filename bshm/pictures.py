"""What a photo is inside: the pixels that were decoded, and the cutout that comes of them."""

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
