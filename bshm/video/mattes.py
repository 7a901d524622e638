"""A film's frames -> their mattes, in order, several under way at once."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Callable, Iterable, Iterator, NamedTuple, TypeVar

import numpy as np

from bshm.matting import AlphaMatting
from bshm.video.steady import State, Steadied, steady

WORKERS = 2  # frames that are worked on at once, beside the one that is read or written
AHEAD = 3  # frames that are begun before the first of them is asked for

Item = TypeVar("Item")
Made = TypeVar("Made")


class Matted(NamedTuple):
    """A frame, uint8 RGB ``[H, W, 3]``, and its matte, float32 ``[H, W]`` in 0-1."""

    rgb: np.ndarray
    alpha: np.ndarray


def frames(
    matting: AlphaMatting, pictures: Iterable[np.ndarray], *, calm: bool = True
) -> Iterator[Matted]:
    """Matte the frames of a film: for people who have a loop of their own.

    pictures: uint8 RGB arrays ``[H, W, 3]``, in order, from a camera or a file; they are taken a
        few at a time, so that any number of them fits into memory. Do not write into them.
    calm: fit each matte to its neighbours, which takes one frame more of delay; False mattes each
        frame by itself

    Raises what :meth:`bshm.Matting.alpha` raises. Closing the generator ends the work.
    """
    with ThreadPoolExecutor(WORKERS) as pool:
        tagged = ((rgb, rgb) for rgb in pictures)
        for one in looks(pool, matting, tagged, calm):
            yield Matted(one.tag, matting.second_look(one.look, one.tag))


def looks(
    pool: ThreadPoolExecutor,
    matting: AlphaMatting,
    tagged: Iterable[tuple[Any, np.ndarray]],
    calm: bool,
    before: State | None = None,
) -> Iterator[Steadied]:
    """First looks at frames, each with its tag; unless they are calm there is no state after it."""
    seen = ahead(pool, lambda item: (item[0], matting.first_look(item[1])), tagged)
    if calm:
        yield from steady(seen, before)
    else:
        yield from (Steadied(tag, look, None) for tag, look in seen)


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
