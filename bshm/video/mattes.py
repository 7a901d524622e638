"""A film's frames -> their mattes, in order, several under way at once."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Callable, Iterable, Iterator, NamedTuple, TypeVar

import cv2
import numpy as np

from bshm.matting import AlphaMatting, Look
from bshm.scene import grids
from bshm.video.steady import Glance, State, Steadied, steadied

WORKERS = 2  # frames that are worked on at once, beside the one that is read or written
AHEAD = 3  # frames that are begun before the first of them is asked for
BLOCK = 16  # pixels: side of the blocks by whose means frames are compared
STILL = 1.5  # levels of 255: blocks that differ by less show the same; noise differs by less
MOST_GLANCES = 3  # frames in a row that the network does not see, though nothing moves

Item = TypeVar("Item")
Made = TypeVar("Made")


class Pace(NamedTuple):
    """How a film is looked at.

    every: the network sees every n-th frame; those between follow the motion
    steady: fit each frame's matte to its neighbours; without that it sees every frame
    anew: it surely sees the first of so many frames, whatever came before
    """

    every: int = 1
    steady: bool = True
    anew: int = 0


SPEEDS = {"fast": Pace(every=2), "best": Pace()}


class Matted(NamedTuple):
    """A frame, uint8 RGB ``[H, W, 3]``, and its matte, float32 ``[H, W]`` in 0-1."""

    rgb: np.ndarray
    alpha: np.ndarray


def frames(
    matting: AlphaMatting,
    pictures: Iterable[np.ndarray],
    *,
    steady: bool = True,
    speed: str = "fast",
) -> Iterator[Matted]:
    """Matte the frames of a film: for people who have a loop of their own.

    pictures: uint8 RGB arrays ``[H, W, 3]``, in order, from a camera or a file; they are taken a
        few at a time, so that any number of them fits into memory. Do not write into them.
    steady: fit each matte to its neighbours, which takes one frame more of delay; False mattes each
        frame by itself
    speed: ``fast``, in which the network sees every second frame, or ``best``

    Raises ValueError for another speed, and what :meth:`bshm.Matting.alpha` raises. Closing the
    generator ends the work.
    """
    if speed not in SPEEDS:
        raise ValueError("expected a speed of %s, got %r" % (" or ".join(SPEEDS), speed))
    with ThreadPoolExecutor(WORKERS) as pool:
        tagged = ((rgb, rgb) for rgb in pictures)
        for one in looks(pool, matting, tagged, SPEEDS[speed]._replace(steady=steady)):
            yield Matted(one.tag, matting.enlarge(one.look, one.tag))


def looks(
    pool: ThreadPoolExecutor,
    matting: AlphaMatting,
    tagged: Iterable[tuple[Any, np.ndarray]],
    pace: Pace,
    before: State | None = None,
) -> Iterator[Steadied]:
    """First looks at frames, each with its tag; without `steadied` no state is after it."""

    def see(item: tuple[Any, np.ndarray]) -> Look:
        return matting.closer_look(matting.first_look(item[1]), item[1])

    def see_if_due(item: tuple[tuple[Any, np.ndarray], bool]) -> tuple[Any, Look | Glance]:
        pair, due = item
        return pair, see(pair) if due else Glance(matting.glance(pair[1]))

    def look_for(item: tuple[Any, np.ndarray], look: Look, people: np.ndarray) -> Look:
        return matting.closer_look(look, item[1], people)

    if pace.steady:
        seen = ahead(pool, see_if_due, _due(tagged, pace))
        for one in steadied(seen, see, before, lambda pair: max(pair[1].shape[:2]), look_for):
            yield one._replace(tag=one.tag[0])
    else:
        for tag, look in ahead(pool, lambda pair: (pair[0], see(pair)), tagged):
            yield Steadied(tag, look, None)


def _due(
    tagged: Iterable[tuple[Any, np.ndarray]], pace: Pace
) -> Iterator[tuple[tuple[Any, np.ndarray], bool]]:
    """The same, each with whether the network is to see it: not where nothing moved since."""
    last: np.ndarray | None = None  # what the network saw, in blocks
    glances = 0
    for number, pair in enumerate(tagged):
        blocks = _blocks(pair[1])
        if last is None or (pace.anew and number % pace.anew == 0):
            due = True
        elif glances < MOST_GLANCES and _same(blocks, last):
            due = False
        else:
            due = glances + 1 >= pace.every
        last, glances = (blocks, 0) if due else (last, glances + 1)
        yield pair, due


def _same(blocks: np.ndarray, last: np.ndarray) -> bool:
    return blocks.shape == last.shape and float(cv2.absdiff(blocks, last).max()) < STILL


def _blocks(rgb: np.ndarray) -> np.ndarray:
    size = max(1, rgb.shape[0] // BLOCK), max(1, rgb.shape[1] // BLOCK)
    return grids.shrink(rgb, size).astype(np.float32)


def ahead(
    pool: ThreadPoolExecutor, make: Callable[[Item], Made], items: Iterable[Item]
) -> Iterator[Made]:
    """``make`` of each item, in order; a few are made in the pool before they are asked for."""
    under_way: deque[Future[Made]] = deque()
    try:
        for item in items:
            under_way.append(pool.submit(make, item))
            if len(under_way) > AHEAD:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
    finally:
        for future in under_way:
            future.cancel()
