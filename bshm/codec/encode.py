"""Pixels -> bytes, as PNG, JPEG or WebP. Importing this module loads neither Pillow nor numpy."""

from __future__ import annotations

import os
from numbers import Integral, Real
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
MAX_DPI = 9999


def encode(
    pixels: np.ndarray,
    format: str = "png",
    icc: bytes | None = None,
    quality: int | None = None,
    mark: str = "",
    dpi: int | None = None,
    kilobytes: tuple[float, float] | None = None,
) -> bytes:
    """A file of straight RGBA ``[H, W, 4]`` or grey ``[H, W]`` pixels, uint8.

    format: ``png``, ``webp``, or ``jpeg``, which has no transparency and takes a white background
    icc: an RGB profile to embed; grey pixels take none
    quality: of JPEG and WebP, 1-100. Unless it is given, it is 90, and grey loses nothing in a
        WebP. Alpha never does.
    mark: a text to embed, by which `bshm.codec.marks` knows the file again
    dpi: pixels an inch, 1-9999, for whoever prints it; the file says nothing unless it is given
    kilobytes: the least and the most that a JPEG is to be large, at the best quality that is

    Raises ValueError for another format, quality, resolution, range or array, and OutputError for
    a picture larger than its format can be, or than it is to be.
    """
    kind = check(format, quality, dpi, kilobytes)
    png.check(pixels)
    if kind == "png":
        return png.encode_png(pixels, icc, mark, dpi)
    height, width = pixels.shape[:2]
    limit = jpeg.MAX_SIDE if kind == "jpeg" else webp.MAX_SIDE
    if max(height, width) > limit:
        reason = "%d×%d pixels are too many for %s, which ends at %d a side"
        raise OutputError(reason % (width, height, kind, limit), code="too_large_for_format")
    grey = pixels.ndim == 2
    if kind == "jpeg":
        opaque = pixels if grey else _on_white(pixels)
        if kilobytes:
            return jpeg.encode_within(opaque, kilobytes, icc, mark, dpi)
        return jpeg.encode_jpeg(opaque, quality or QUALITY, icc, mark, dpi)
    return webp.encode_webp(pixels, quality or (None if grey else QUALITY), icc, mark, dpi)


def check(
    format: str,
    quality: int | None = None,
    dpi: int | None = None,
    kilobytes: tuple[float, float] | None = None,
) -> str:
    """The format's name as `known` gives it. Raises ValueError for what `encode` cannot do."""
    kind = known(format)
    if quality is not None and not (_is_whole(quality) and 1 <= quality <= 100):
        raise ValueError("expected a quality of 1 to 100, got %r" % (quality,))
    if dpi is not None and not (_is_whole(dpi) and 1 <= dpi <= MAX_DPI):
        raise ValueError("expected 1 to %d pixels an inch, got %r" % (MAX_DPI, dpi))
    if kilobytes is not None:
        pair = isinstance(kilobytes, (tuple, list)) and len(kilobytes) == 2
        if not (pair and all(isinstance(bound, Real) for bound in kilobytes)):
            raise ValueError(
                "expected kilobytes as (least, most), such as (20, 200), got %r" % (kilobytes,)
            )
        least, most = kilobytes
        if kind != "jpeg" or quality is not None:
            raise ValueError("a range of kilobytes is for JPEGs and finds their quality itself")
        if not 0 <= least <= most or not most >= 1:
            raise ValueError("expected kilobytes such as 20-200, got %g-%g" % (least, most))
    return kind


def _is_whole(value: object) -> bool:
    return isinstance(value, Integral)  # NumPy's numbers, too


def known(format: str) -> str:
    """A format's name as `encode` calls it. Raises ValueError where it is none."""
    name = str(format).lower().lstrip(".")
    for kind, endings in ENDINGS.items():
        if name == kind or "." + name in endings:
            return kind
    raise ValueError("expected one of the formats %s, got %r" % (", ".join(ENDINGS), format))


def format_of(path: str, whole: bool = False) -> str | None:
    """The format that the ending of a file's name asks for; None where it says nothing.

    whole: the file is called just so, and gets no ending of its format behind it

    Raises ValueError for the endings of photos that are only read, and for any other that is not
    written where the name is whole: whoever says ``.pdf`` would get a picture that is none.
    """
    ending = os.path.splitext(path)[1].lower()
    for kind, endings in ENDINGS.items():
        if ending in endings:
            return kind
    if ending in formats.EXTENSIONS or (ending and whole):
        written = " ".join(endings[0] for endings in ENDINGS.values())
        raise ValueError("expected a name that ends in one of %s, got %r" % (written, path))
    return None


def _on_white(rgba: np.ndarray) -> np.ndarray:
    """RGB uint8 ``[H, W, 3]`` of straight RGBA before white."""
    import numpy as np

    from bshm import planes

    rgb = np.empty((*rgba.shape[:2], 3), np.uint8)
    for rows in planes.stripes(*rgba.shape[:2]):
        part = rgba[rows].astype(np.uint16)
        lack = (255 - part[..., :3]) * part[..., 3:]  # what is missing to white, times 255
        rgb[rows] = 255 - (lack + 127) // 255
    return rgb
