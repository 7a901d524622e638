"""One photo, done: the page to read first.

    photo = decode(data, name)               bytes -> pixels                codec.decode
    alpha = matting.alpha(photo.rgb)         pixels -> alpha                matting
    cutout = finish(photo, alpha, recipe)    alpha -> what was asked for    here
    data = cutout.encode("png")              pixels -> bytes                codec.encode

The command, the Python interface and all that is built on them come through here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from bshm import disk, timing
from bshm.codec.decode import MAX_PIXELS
from bshm.codec.encode import encode, format_of, known
from bshm.matting import AlphaMatting, edge_colours
from bshm.pictures import Box, Photo

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True)
class Recipe:
    """What is wanted of a photo. Raises ValueError for what cannot be.

    only_alpha: make the matte alone instead of the cutout
    crop: trim to what shows, with a margin around it: pixels, or a share of its longer side such as
        ``"5%"``; None is the whole photo
    format: ``png``, ``jpeg`` or ``webp``, of files
    max_pixels: refuse to decode photos of more pixels than this
    """

    only_alpha: bool = False
    crop: int | str | None = None
    format: str = "png"
    max_pixels: int = MAX_PIXELS

    def __post_init__(self) -> None:
        object.__setattr__(self, "format", known(self.format))
        if self.crop is not None:
            margin(self.crop, 0)

    def fingerprint(self) -> str:
        """A text that differs between recipes whose results differ."""
        results = [field for field in fields(self) if field.name != "max_pixels"]
        return " ".join("%s=%s" % (field.name, getattr(self, field.name)) for field in results)

    def of_matte(self) -> Recipe:
        """The recipe of the matte that belongs to this one's cutout: a PNG, which loses nothing."""
        return replace(self, only_alpha=True, format="png")


def margin(wanted: int | str, side: int) -> int:
    """A margin in pixels, which may be wanted as a share of a side. Raises ValueError."""
    found = re.fullmatch(r"([0-9]{1,5}(?:\.[0-9]+)?)%|([0-9]{1,5})(?:px)?", str(wanted).strip())
    if not found:
        expected = "expected a margin in pixels or per cent, such as 20 or '5%%', got %r"
        raise ValueError(expected % (wanted,))
    share, pixels = found.groups()
    return round(side * float(share) / 100) if share else int(pixels)


def render(photo: Photo, matting: AlphaMatting, recipe: Recipe) -> Cutout:
    """What the recipe wants of a photo. Raises what :meth:`Matting.alpha` raises."""
    return finish(photo, matting.alpha(photo.rgb), recipe)


def finish(photo: Photo, alpha: np.ndarray, recipe: Recipe) -> Cutout:
    """The same where alpha, float32 ``[H, W]`` in 0-1, is known already, as for a film's frame."""
    cutout = _cut_out(photo, alpha, recipe)
    return cutout if recipe.crop is None else cutout.crop(recipe.crop)


def _cut_out(photo: Photo, alpha: np.ndarray, recipe: Recipe) -> Cutout:
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

    def crop(self, wanted: int | str = 0) -> Cutout:
        """Trimmed to its box with a margin as in a recipe; whole where nobody was found."""
        box = self.box
        if box is None:
            return self
        around = margin(wanted, max(box.bottom - box.top, box.right - box.left))
        top, left = max(0, box.top - around), max(0, box.left - around)
        window = self.pixels[top : box.bottom + around, left : box.right + around]
        return replace(self, pixels=np.ascontiguousarray(window))

    def pil(self) -> Image:
        """A Pillow picture, RGBA or of a matte alone L, with its profile."""
        from PIL import Image

        picture = Image.fromarray(self.pixels)
        if self.icc and self.pixels.ndim == 3:
            picture.info["icc_profile"] = self.icc
        return picture

    def encode(self, format: str = "png", *, quality: int | None = None, mark: str = "") -> bytes:
        """A file: ``png``, ``jpeg`` (before white) or ``webp``.

        quality: of JPEG and WebP, 1-100; 90 unless it is given
        mark: a text in it by which it is known again

        Raises ValueError for another format or quality, and OutputError for more pixels a side than
        JPEG and WebP hold.
        """
        return encode(self.pixels, format, self.icc, quality, mark)

    def save(
        self, path: str | Path, *, format: str | None = None, quality: int | None = None
    ) -> None:
        """Write a file, whole or not at all: in the format given, or of its name's ending, or PNG.

        Raises OutputError, and ValueError for what :meth:`encode` does not write.
        """
        chosen = format or format_of(str(path)) or "png"
        disk.write_atomic(Path(path), self.encode(chosen, quality=quality))
