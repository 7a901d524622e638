"""One photo, done: the page to read first.

    photo = decode(data, name)               bytes -> pixels                codec.decode
    alpha = matting.alpha(photo.rgb)         pixels -> alpha                matting
    cutout = finish(photo, alpha, recipe)    alpha -> what was asked for    here
    data = cutout.encode()                   pixels -> bytes                codec.png

The command, the Python interface and all that is built on them come through here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from bshm import disk, timing
from bshm.codec.decode import MAX_PIXELS
from bshm.codec.png import encode_png
from bshm.matting import Matting, edge_colours
from bshm.pictures import Box, Photo


@dataclass(frozen=True)
class Recipe:
    """What is wanted of a photo.

    only_alpha: make the matte alone instead of the cutout
    max_pixels: refuse to decode photos of more pixels than this
    """

    only_alpha: bool = False
    max_pixels: int = MAX_PIXELS

    def fingerprint(self) -> str:
        """A word or two that differ between recipes whose results differ."""
        return "alpha" if self.only_alpha else "cutout"


def render(photo: Photo, matting: Matting, recipe: Recipe) -> Cutout:
    """What the recipe wants of a photo. Raises what :meth:`Matting.alpha` raises."""
    return finish(photo, matting.alpha(photo.rgb), recipe)


def finish(photo: Photo, alpha: np.ndarray, recipe: Recipe) -> Cutout:
    """The same where alpha, float32 ``[H, W]`` in 0-1, is known already, as for a film's frame."""
    if recipe.only_alpha:
        pixels = cv2.convertScaleAbs(alpha, alpha=255)
    else:
        with timing.measure("foreground"):
            pixels = edge_colours.cutout(photo.rgb, alpha)
    if photo.alpha is not None:
        _keep_transparency(pixels, photo.alpha)
    return Cutout(pixels, photo.icc)


def _keep_transparency(pixels: np.ndarray, alpha: np.ndarray) -> None:
    """What was transparent in the photo stays so, in place: pixels [H, W] or [H, W, 4]."""
    matte = pixels if pixels.ndim == 2 else pixels[..., 3]
    matte[...] = cv2.multiply(np.ascontiguousarray(matte), alpha, scale=1 / 255)
    if pixels.ndim == 3:
        pixels[matte == 0] = 0


@dataclass(frozen=True, eq=False)
class Cutout:
    """A person, or several, without the background.

    pixels: uint8, straight RGBA ``[H, W, 4]``, or the matte ``[H, W]`` where it alone was wanted
    icc: the RGB profile that the colours are in; None means sRGB
    """

    pixels: np.ndarray
    icc: bytes | None = None

    @property
    def rgba(self) -> np.ndarray:
        """Straight RGBA, uint8 ``[H, W, 4]``. Raises ValueError where there is only a matte."""
        if self.pixels.ndim == 2:
            raise ValueError("this cutout has no colours: its recipe asked for the matte alone")
        return self.pixels

    @property
    def matte(self) -> np.ndarray:
        """Alpha in 255 steps, uint8 ``[H, W]``."""
        return self.pixels if self.pixels.ndim == 2 else self.pixels[..., 3]

    @property
    def alpha(self) -> np.ndarray:
        """Alpha, float32 ``[H, W]`` in 0-1."""
        return self.matte * np.float32(1 / 255)

    @property
    def coverage(self) -> float:
        """Share of the picture that is covered, 0-1; 0 where nobody was found."""
        return cv2.mean(self.pixels)[0 if self.pixels.ndim == 2 else 3] / 255

    @property
    def box(self) -> Box | None:
        """The smallest window that holds all that shows, or None where nothing does."""
        left, top, width, height = cv2.boundingRect(np.ascontiguousarray(self.matte))
        return Box(top, top + height, left, left + width) if width else None

    def encode(self, mark: str = "") -> bytes:
        """A PNG; ``mark`` is a text in it by which it is known again."""
        return encode_png(self.pixels, self.icc, mark)

    def save(self, path: str | Path) -> None:
        """Write a PNG, whole or not at all. Raises OutputError."""
        disk.write_atomic(Path(path), self.encode())
