"""Pixels -> bytes, as PNG, JPEG or WebP. Importing this module loads neither Pillow nor numpy."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from bshm.codec import formats, jpeg, png, webp
from bshm.errors import OutputError

if TYPE_CHECKING:
    import numpy as np

# What is written -> the endings of its files' names, the usual one first.
ENDINGS = {
    "png": (".png",),
    "jpeg": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "webp": (".webp",),
}
OPAQUE = ("jpeg",)  # formats without transparency: what is behind the people is white
QUALITY = 90  # of 100, of JPEG and WebP: what is lost cannot be seen
STRIPE_PIXELS = 1 << 18  # pixels put on white at a time, so that no second whole picture is made


def encode(
    pixels: np.ndarray,
    format: str = "png",
    icc: bytes | None = None,
    quality: int | None = None,
    mark: str = "",
) -> bytes:
    """A file of straight RGBA ``[H, W, 4]`` or grey ``[H, W]`` pixels, uint8.

    format: ``png``, ``webp``, or ``jpeg``, which has no transparency and takes a white background
    icc: an RGB profile to embed; grey pixels take none
    quality: of JPEG and WebP, 1-100. Unless it is given, it is 90, and grey loses nothing in a
        WebP. Alpha never does.
    mark: a text to embed, by which `bshm.codec.marks` knows the file again

    Raises ValueError for another format, quality or array, and OutputError for a picture larger
    than its format can be.
    """
    kind = known(format)
    if quality is not None and not 1 <= quality <= 100:
        raise ValueError("expected a quality of 1 to 100, got %r" % (quality,))
    png.check(pixels)
    if kind == "png":
        return png.encode_png(pixels, icc, mark)
    height, width = pixels.shape[:2]
    limit = jpeg.MAX_SIDE if kind == "jpeg" else webp.MAX_SIDE
    if max(height, width) > limit:
        reason = "%d×%d pixels are too many for %s, which ends at %d a side"
        raise OutputError(reason % (width, height, kind, limit), code="too_large_for_format")
    grey = pixels.ndim == 2
    if kind == "jpeg":
        return jpeg.encode_jpeg(
            pixels if grey else _on_white(pixels), quality or QUALITY, icc, mark
        )
    return webp.encode_webp(pixels, quality or (None if grey else QUALITY), icc, mark)


def known(format: str) -> str:
    """A format's name as `encode` calls it. Raises ValueError where it is none."""
    name = str(format).lower().lstrip(".")
    for kind, endings in ENDINGS.items():
        if name == kind or "." + name in endings:
            return kind
    raise ValueError("expected one of the formats %s, got %r" % (", ".join(ENDINGS), format))


def format_of(path: str) -> str | None:
    """The format that the ending of a file's name asks for; None where it says nothing.

    Raises ValueError for the endings of photos that are only read.
    """
    ending = os.path.splitext(path)[1].lower()
    for kind, endings in ENDINGS.items():
        if ending in endings:
            return kind
    if ending in formats.EXTENSIONS:
        written = " ".join(endings[0] for endings in ENDINGS.values())
        raise ValueError("expected a name that ends in one of %s, got %r" % (written, path))
    return None


def _on_white(rgba: np.ndarray) -> np.ndarray:
    """RGB uint8 ``[H, W, 3]`` of straight RGBA before white."""
    import numpy as np

    rgb = np.empty((*rgba.shape[:2], 3), np.uint8)
    lines = max(1, STRIPE_PIXELS // rgba.shape[1])
    for top in range(0, len(rgba), lines):
        part = rgba[top : top + lines].astype(np.uint16)
        lack = (255 - part[..., :3]) * part[..., 3:]  # what is missing to white, times 255
        rgb[top : top + lines] = 255 - (lack + 127) // 255
    return rgb
