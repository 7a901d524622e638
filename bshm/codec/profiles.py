"""Colours of one ICC profile in another."""

from __future__ import annotations

import importlib
from io import BytesIO
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np


def convert(rgb: np.ndarray, source: bytes | None, target: bytes | None) -> np.ndarray:
    """The same colours in another RGB profile; None is sRGB.

    rgb: uint8 ``[H, W, 3]``; it is returned as it is where both are the same, or where this
        Pillow has no LittleCMS
    source, target: sound RGB profiles, as `decode` returns them
    """
    if source == target:
        return rgb
    try:
        # Its constants have changed their types between versions.
        cms: Any = importlib.import_module("PIL.ImageCms")
    except ImportError:
        return rgb
    import numpy as np
    from PIL import Image

    from bshm import planes

    def profile(icc: bytes | None) -> Any:
        return cms.ImageCmsProfile(BytesIO(icc) if icc else cms.createProfile("sRGB"))

    try:
        transform = cms.buildTransform(
            profile(source),
            profile(target),
            "RGB",
            "RGB",
            1,  # relative colorimetric
            0x2000,  # black point compensation
        )
    except (cms.PyCMSError, OSError):  # a profile that only says what colours it has
        return rgb
    out = np.empty_like(rgb)
    for rows in planes.stripes(*rgb.shape[:2]):
        stripe = Image.fromarray(np.ascontiguousarray(rgb[rows]))
        out[rows] = np.asarray(transform.apply(stripe))
    return out
