"""What is wanted of one photo, in no contract's words, and what was made of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from bshm.pictures import Box
from bshm.scene import shadow
from bshm.scene.background import Background
from bshm.timing import Timings

MEDIA_TYPES = {
    "png": "image/png",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "zip": "application/zip",
}


class Length(NamedTuple):
    """A number of pixels, or of per cent of a side."""

    value: float
    per_cent: bool = False

    def pixels(self, side: int) -> int:
        return round(self.value * side / 100 if self.per_cent else self.value)


NOTHING = Length(0)
NO_SHADOW = shadow.Wish("none")


@dataclass(frozen=True)
class Order:
    """What is wanted of one photo.

    photo: its file
    max_pixels: refuse to decode pictures of more
    format: a key of `MEDIA_TYPES`, or ``auto``: JPEG where nothing is transparent, else PNG
    result_pixels: shrink larger photos to as many pixels; 0 keeps them
    roi: where people are looked for: left, top, right, bottom; what is outside is background
    crop, margin: cut around the people, and how far from them: top, right, bottom, left
    share: size of the people, of the frame's, 0-1; None is as in the photo
    position: see `bshm.scene.place.parse`
    picture: file of a picture to be put behind
    behind, light, shadow: see `bshm.scene.compose.Scene`
    """

    photo: bytes
    max_pixels: int
    format: str = "png"
    only_alpha: bool = False
    result_pixels: int = 0
    roi: tuple[Length, ...] = ()
    crop: bool = False
    margin: tuple[Length, ...] = (NOTHING,) * 4
    share: float | None = None
    position: tuple[float | None, float | None] = (None, None)
    picture: bytes = b""
    behind: Background | None = None
    light: float | None = None
    shadow: shadow.Wish = NO_SHADOW


@dataclass(frozen=True)
class Made:
    """What was made.

    width, height: of the result, in pixels
    photo_pixels: how many the photo had
    people: where they are in the photo, or None where nobody was found
    timings: milliseconds by stage
    """

    data: bytes
    media_type: str
    width: int
    height: int
    photo_pixels: int
    people: Box | None
    timings: Timings = field(default_factory=dict)
