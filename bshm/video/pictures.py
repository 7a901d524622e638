"""Frames of a film -> finished pictures, in order, several under way at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from typing import Iterable, Iterator, NamedTuple

import numpy as np

from bshm import pipeline
from bshm.matting import AlphaMatting
from bshm.pictures import Photo
from bshm.pipeline import Recipe
from bshm.scene.background import Picture
from bshm.video.formats import Format
from bshm.video.layout import lay_out
from bshm.video.mattes import WORKERS, Pace, ahead, looks
from bshm.video.parts import After
from bshm.video.reader import Frame
from bshm.video.scenery import Mood, Scenery, glide
from bshm.video.steady import Steadied


class Finished(NamedTuple):
    """A finished frame: laid-out pixels, its time, and what is kept after it."""

    pixels: np.ndarray
    pts: int
    duration: int
    after: After


class Clock(NamedTuple):
    """A film's time: seconds of a unit, and the timestamp that it begins with."""

    unit: Fraction
    begin: int

    def seconds(self, pts: int) -> Fraction:
        return (pts - self.begin) * self.unit


class Maker:
    """What is made of each frame of a film. For one film.

    pace: how frames are looked at
    scenery: what people are put on, or None where they are cut out
    """

    def __init__(
        self,
        matting: AlphaMatting,
        recipe: Recipe,
        form: Format,
        pace: Pace,
        clock: Clock,
        scenery: Scenery | None = None,
    ) -> None:
        self._matting, self._recipe, self._form = matting, recipe, form
        self._pace, self._clock, self._scenery = pace, clock, scenery

    @property
    def notes(self) -> list[str]:
        """Lines about what is not as it was asked for."""
        return self._scenery.notes if self._scenery else []

    def pictures(self, frames: Iterable[Frame], after: After | None = None) -> Iterator[Finished]:
        """Finished frames, from one on after which that was kept."""
        with ThreadPoolExecutor(WORKERS) as pool:
            tagged = ((frame, frame.rgb) for frame in frames)
            seen = looks(pool, self._matting, tagged, self._pace, after.state if after else None)
            if self._scenery is None:
                yield from ahead(pool, self._cut_out, seen)
            else:
                stage = _Stage(self._scenery, self._matting, self._form)
                set_up = ((one, self._behind(one.tag.pts)) for one in seen)
                measured = ahead(pool, stage.measure, set_up)
                yield from ahead(pool, stage.draw, self._gliding(measured, after))

    def _cut_out(self, one: Steadied) -> Finished:
        frame: Frame = one.tag
        alpha = self._matting.enlarge(one.look, frame.rgb)
        cutout = pipeline.finish(Photo(frame.rgb, None, frame.alpha), alpha, self._recipe)
        pixels = lay_out(cutout.pixels, self._form)
        return Finished(pixels, frame.pts, frame.duration, After(frame.pts, one.state))

    def _behind(self, pts: int) -> Picture | None:
        return self._scenery.behind(self._clock.seconds(pts)) if self._scenery else None

    def _gliding(self, measured: Iterable[_Set], after: After | None) -> Iterator[_Set]:
        """The same with numbers that follow the frame before."""
        for one in measured:
            mood = None if one.frame.cut or after is None else after.mood
            spent = self._clock.seconds(one.pts) - self._clock.seconds(after.pts) if after else 0
            one = one._replace(mood=glide(mood, one.mood, float(spent)))
            after = After(one.pts, one.frame.state, one.mood)
            yield one


class _Set(NamedTuple):
    """A frame before its background, with its matte and the numbers of its scene."""

    frame: Steadied
    alpha: np.ndarray
    behind: Picture | None
    mood: Mood

    @property
    def pts(self) -> int:
        return self.frame.tag.pts


class _Stage:
    """The steps of a frame on something new that are made in any thread."""

    def __init__(self, scenery: Scenery, matting: AlphaMatting, form: Format) -> None:
        self._scenery, self._matting, self._form = scenery, matting, form

    def measure(self, item: tuple[Steadied, Picture | None]) -> _Set:
        one, behind = item
        frame: Frame = one.tag
        alpha = self._matting.enlarge(one.look, frame.rgb)
        if frame.alpha is not None:
            alpha = alpha * (frame.alpha * np.float32(1 / 255))
        return _Set(one, alpha, behind, self._scenery.measure(frame.rgb, alpha, behind))

    def draw(self, one: _Set) -> Finished:
        frame: Frame = one.frame.tag
        pixels = self._scenery.draw(one.mood, frame.rgb, one.alpha, one.behind)
        after = After(one.pts, one.frame.state, one.mood)
        return Finished(lay_out(pixels, self._form), one.pts, frame.duration, after)
