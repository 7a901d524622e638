"""A film's people on something new; light and shadow change slowly, and the place does not.

    behind = scenery.behind(seconds)                 what is behind them at that time
    mood = scenery.measure(rgb, alpha, behind)       what the frame by itself asks for
    mood = glide(before, mood, seconds)              what it gets: a step of the way there
    pixels = scenery.draw(mood, rgb, alpha, behind)  the frame

Numbers that were estimated anew for each frame would flicker, so they glide (as those of Ke et al.,
"Harmonizer", ECCV 2022, do in films). People stay where the first frame that shows them puts them:
if they were put there again and again, their own motion would be taken from them.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any, Iterator, NamedTuple

import cv2
import numpy as np

from bshm.matting import edge_colours
from bshm.scene import background, blur, compose, grids, place
from bshm.scene.background import Blur, Flat, Gradient, Named, Picture
from bshm.scene.compose import Scene
from bshm.video.backdrop import Backdrop

GLIDE_S = 1.0  # seconds: after that, numbers have come 63 % of their way
# Rows of feet and horizon, in shares of the height, that blur a frame all alike.
NO_GROUND = blur.Ground(2.0, 1.0)
# Cells along the side of a square frame: two thirds of a photo's. Edge colours are 1 to 3 % less
# exact and take a fifth less time; in a film, coding does more to them.
COLOUR_CELLS = 240
PROBED = (216, 384)  # rows and columns of a background whose light is measured


class Mood(NamedTuple):
    """The numbers of a frame: of its place, light and shadow, and of the ground for blur."""

    setting: compose.Setting = compose.NOTHING
    ground: blur.Ground = NO_GROUND

    def numbers(self) -> np.ndarray:
        """All of them in a row, float64, from which `of` makes it again."""
        return np.array(list(_flat(self)), np.float64)

    @classmethod
    def of(cls, numbers: np.ndarray) -> Mood:
        row = iter(numbers.tolist())
        return _filled(cls(), row)


class Scenery:
    """A scene at the size of a film's frames.

    size: height and width; opaque: what the background leaves open becomes black

    Raises InputError where a film is named as the background and cannot be read.
    """

    def __init__(self, scene: Scene, size: tuple[int, int], opaque: bool) -> None:
        self._scene, self._size, self._opaque = scene, size, opaque
        self._film: Backdrop | None = None
        self._still: Picture | None = None
        if isinstance(scene.behind, Named):
            self._film = Backdrop(scene.behind.name)
        elif isinstance(scene.behind, (Flat, Gradient, Picture)):
            self._still = background.paint(scene.behind, size, scene.fit)
        self._still_thumb = _thumb(self._still)

    def behind(self, seconds: Fraction) -> Picture | None:
        """The background at a time, which never goes back; None is the frame's own, or nothing."""
        if self._film is None:
            return self._still
        return background.paint(self._film.at(seconds), self._size, self._scene.fit)

    def measure(self, rgb: np.ndarray, alpha: np.ndarray, behind: Picture | None) -> Mood:
        """What a frame asks for: uint8 ``[H, W, 3]``, and its matte, float32 ``[H, W]`` in 0-1."""
        blurs = isinstance(self._scene.behind, Blur)
        shown = self._still_thumb
        if blurs or self._film is not None:
            shown = _thumb(Picture(rgb) if blurs else behind)
        setting = compose.estimate(self._scene, rgb, alpha, shown)
        return Mood(setting, (compose.feet(alpha) if blurs else None) or NO_GROUND)

    def draw(
        self, mood: Mood, rgb: np.ndarray, alpha: np.ndarray, behind: Picture | None
    ) -> np.ndarray:
        """The finished frame: uint8 RGB ``[H, W, 3]``, or straight RGBA ``[H, W, 4]``."""
        colours = edge_colours.estimate(rgb, alpha, COLOUR_CELLS)
        if isinstance(self._scene.behind, Blur):
            ground = None if mood.ground == NO_GROUND else mood.ground
            behind = Picture(blur.blur(rgb, alpha, self._scene.behind.strength, ground))
        elif behind is not None:  # its pixels are overwritten
            behind = behind._replace(rgb=behind.rgb.copy())
        canvas = compose.apply(mood.setting, alpha, colours, behind)
        left, top = canvas.grown[:2]  # frames of a film do not grow with a shadow
        pixels = canvas.pixels[top : top + alpha.shape[0], left : left + alpha.shape[1]]
        return _on_black(pixels) if self._opaque and pixels.shape[2] == 4 else pixels

    @property
    def notes(self) -> list[str]:
        """Lines about what could not be read of a film behind."""
        faults = self._film.faults if self._film else []
        return ["the film behind: %s; it begins again there" % fault for fault in faults]

    def close(self) -> None:
        """Let go of the background's file."""
        if self._film is not None:
            self._film.close()


def is_opaque(scene: Scene) -> bool:
    """Whether the background of a scene leaves nothing open."""
    behind = scene.behind
    if isinstance(behind, Flat):
        return behind.colour[3] == 255
    if isinstance(behind, Gradient):
        return all(colour[3] == 255 for colour in behind.colours)
    if isinstance(behind, Picture):
        return behind.alpha is None and scene.fit != "contain"
    return isinstance(behind, Blur) or (isinstance(behind, Named) and scene.fit != "contain")


def glide(before: Mood | None, now: Mood, seconds: float) -> Mood:
    """The numbers of a frame, so long after the frame before; None where a scene begins."""
    if before is None:
        return now
    there = compose.ease(before, now, 1 - math.exp(-seconds / GLIDE_S))
    stood = before.setting.place
    where = now.setting.place if stood == place.Place() else stood
    return there._replace(setting=there.setting._replace(place=where))


def _thumb(picture: Picture | None) -> Picture | None:
    """As much of a background as tells its light."""
    if picture is None:
        return None
    alpha = None if picture.alpha is None else grids.shrink(picture.alpha, PROBED)
    return Picture(grids.shrink(picture.rgb, PROBED), alpha)


def _on_black(rgba: np.ndarray) -> np.ndarray:
    alpha = np.ascontiguousarray(rgba[..., 3])
    return cv2.multiply(
        cv2.cvtColor(rgba, cv2.COLOR_RGBA2RGB), cv2.merge([alpha] * 3), scale=1 / 255
    )


def _flat(value: Any) -> Iterator[float]:
    if isinstance(value, tuple):
        for part in value:
            yield from _flat(part)
    else:
        yield value


def _filled(value: Any, row: Iterator[float]) -> Any:
    """The same tree of tuples with other numbers."""
    if isinstance(value, tuple):
        return type(value)(*(_filled(part, row) for part in value))
    return next(row)
