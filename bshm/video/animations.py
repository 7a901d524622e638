"""Animated GIF, WebP and PNG as films: Pillow reads them, with their transparency and durations."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, BinaryIO, Iterator

import numpy as np
from PIL import Image, ImageSequence

from bshm.codec.decode import MAX_PIXELS
from bshm.errors import InputError, root_cause
from bshm.video.colour import RGB, Colour
from bshm.video.reader import Frame

FORMATS = ("GIF", "PNG", "WEBP")
# Seconds: browsers show a frame that asks for a hundredth or less for a tenth.
SHORTEST, INSTEAD = Fraction(1, 100), Fraction(1, 10)
FINEST = 65535  # parts of a second: PNG's durations are fractions of two numbers of 16 bits
UNIT = Fraction(1, 90000)  # seconds: of these, milliseconds and the usual rates are whole numbers


def is_animation(head: bytes) -> bool:
    """Whether a file that begins so is for this module."""
    return head.startswith((b"GIF8", b"\x89PNG")) or (head[:4] == b"RIFF" and head[8:] == b"WEBP")


class Animation:
    """An animated picture, open to be read once, as `bshm.video.reader.Film` is."""

    def __init__(self, source: str | BinaryIO, name: str) -> None:
        self.name = name
        self.faults: list[str] = []
        self.notes: list[str] = []
        self.tracks: list[Any] = []
        try:
            self._image = Image.open(source, formats=FORMATS)
        except (OSError, ValueError, Image.DecompressionBombError) as error:
            raise InputError(
                "is not an animation that can be read: %s" % root_cause(error), name, "not_a_film"
            ) from error
        self.width, self.height = self._image.size
        if self.width * self.height > MAX_PIXELS:
            raise InputError("has frames of too many pixels", name, "frames_too_large")
        self.time_base, self.begin = UNIT, 0
        self.colour = Colour(RGB, full=True)
        self.expected = getattr(self._image, "n_frames", 1)
        self.rate: Fraction | None = 1 / self._duration()

    def _duration(self) -> Fraction:
        """Seconds that the frame is shown."""
        ms = self._image.info.get("duration", 0)
        duration = Fraction(ms / 1000).limit_denominator(FINEST)
        return INSTEAD if duration <= SHORTEST else duration

    def events(self, skip: int = 0) -> Iterator[Frame]:
        """Its frames; ``skip`` of them are left out."""
        end, count = Fraction(0), 0  # seconds; frames
        try:
            for count, image in enumerate(ImageSequence.Iterator(self._image), 1):
                pixels = np.asarray(image.convert("RGBA"))
                start, end = round(end / UNIT), end + self._duration()
                if count > skip:
                    alpha = np.ascontiguousarray(pixels[..., 3])
                    rgb = np.ascontiguousarray(pixels[..., :3])
                    duration = round(end / UNIT) - start
                    yield Frame(rgb, None if alpha.min() == 255 else alpha, start, duration)
        except (OSError, ValueError, SyntaxError) as error:
            self.faults.append("reading stops after %d frames: it is cut off or damaged" % count)
            if not count:
                raise InputError("no frame of it can be read", self.name, "damaged") from error

    frames = events

    def close(self) -> None:
        """Let go of the file."""
        self._image.close()

    def __enter__(self) -> Animation:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
