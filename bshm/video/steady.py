"""Steady mattes: what was seen in a frame holds for the next one, where both show the same.

A network that sees each frame by itself wavers where it is in doubt. So its first look at a frame
is compared with its neighbours, carried along the motion (DIS optical flow: Kroeger et al., "Fast
Optical Flow using Dense Inverse Search", ECCV 2016):

1. Where a frame disagrees with both neighbours and these agree, they are right: the median of the
   three, one frame late (as MODNet's "one-frame delay", Ke et al. 2022, but along the motion).
2. What comes out is a mean of the three, the frame before as it came out itself, the next one
   as far as it differs little. The longer a pixel was followed without doubt, the more what was
   seen of it counts. But where the network is sure of a whole neighbourhood, what is left of
   something else goes soon, or people would leave traces where they were.

3. People who were there, and are missing in a look, are looked for once more, in a window around
   where they were. The network sees them larger there: it finds those whom it lost in the whole
   frame, and if it does not they go sooner.

What was counts as far as a pixel is trusted: the motion there and back must meet, and the pictures
must look alike. At a cut nothing does, and the next frame begins anew. All this happens at working
size; the edges are drawn from the frame's own pixels afterwards, so nothing smears.
"""

from __future__ import annotations

import functools
from typing import Any, Callable, Iterable, Iterator, NamedTuple, Tuple

import cv2
import numpy as np

from bshm.matting import Look
from bshm.matting.closer_look import PERSON, find_small_people

# Pixels: the longer side of the pictures whose motion is sought, though no longer than the frame's
# own; enlarged noise would be followed as if it were texture.
FLOW_SIDE = 640
FINEST = 1  # halvings of these pictures: motion is found for blocks of two pixels, then smoothed
# Of the longer side: motion there and back that misses by less is trusted in full, by more not at
# all; likewise levels of 255, by which grey may differ.
MEET = 0.0009, 0.0025
ALIKE = 5.0, 20.0
LONGEST = 10.0  # frames: a pixel that was followed for longer counts no more
# Weights beside 1 for the frame's own look, where they are fully trusted: of the frame before, as
# it came out, for each frame that the pixel was followed; of the next one, as it was seen.
PAST, NEXT = 2.0, 1.5
# The network is sure where all that it saw within so many pixels is as near as this to 0, or to 1.
SURE, SURE_REACH = 0.02, 3
# Alpha: a frame before that differs by less from what is sure weighs no more than that; one that
# differs by more is another opinion, and not soon overruled.
TRACE, TRACE_PAST = 0.5, np.float32(3)
DOUBT = 0.02  # weight of a neighbour that is not trusted, where there is nothing else
SURPRISE = 0.9  # alpha: a next frame that differs by so much is not listened to
# Alpha: there were people where it was more than the first; where it is less than the second they
# are not seen. Share of a group of them: with so much of it not seen, they are missing.
HELD, FAINT, MISSED = 0.5, 0.25, 0.8
# What was there belongs to people who are worth another look if it was followed for more frames
# than this on average, and is larger than this share of the largest group: less is scenery that was
# taken for people, as is a spot beside them, and a closer look at it may do so again.
KNOWN, BESIDE = 2.0, 0.1
FOUND_REACH = 8  # pixels: people who are found again reach no further than so, for the most part
RIM = 3  # pixels around them that are soft
# Frames: what was there, and is missing in two looks, counts as if it was followed for so many.
GONE_PAST = np.float32(0.5)
CUT = 0.25  # share: with fewer pixels trusted, this is another scene


class State(NamedTuple):
    """What is kept of a frame: all that its successor depends on.

    alpha: as it came out, float32 ``[h, w]``; grey: the picture whose motion is sought, uint8
    followed: for how many frames each pixel was, float32 ``[h, w]`` in 1-`LONGEST`
    """

    alpha: np.ndarray
    grey: np.ndarray
    followed: np.ndarray


class Glance(NamedTuple):
    """A frame that the network does not see: uint8 ``[h, w, 3]``, at the size of looks."""

    seen: np.ndarray


class Steadied(NamedTuple):
    """A look that fits its neighbours.

    tag: what it belongs to; state: what is kept after it; cut: whether another scene begins here
    """

    tag: Any
    look: Look
    state: State | None
    cut: bool = False


class _Way(NamedTuple):
    """From the pixels of one frame to those of a neighbour.

    x, y: float32 ``[h, w]``, the place in the neighbour; trust: float32 ``[h, w]`` in 0-1
    """

    x: np.ndarray
    y: np.ndarray
    trust: np.ndarray


# A neighbour's alpha where its pixels are now, and the weight of that: trust in the way, times the
# frames for which a pixel was followed.
_Carried = Tuple[np.ndarray, np.ndarray]
# A frame's tag, what was seen of it, and where people are looked for, float32 ``[h, w]`` in 0-1.
LookFor = Callable[[Any, Look, np.ndarray], Look]


class _Frame(NamedTuple):
    """A frame that waits for the next one; alpha is None until somebody knows it."""

    tag: Any
    seen: np.ndarray
    alpha: np.ndarray | None
    grey: np.ndarray


def steadied(
    looks: Iterable[tuple[Any, Look | Glance]],
    see: Callable[[Any], Look] | None = None,
    before: State | None = None,
    side: Callable[[Any], int] | None = None,
    look_for: LookFor | None = None,
) -> Iterator[Steadied]:
    """Looks at the frames of a film, in order, made to fit each other; each comes one frame late.

    looks: pairs of anything and a look, or a mere glance, at a frame
    see: gives the look at a frame after all, where a glance is too little; takes the first of
        the pair
    before: the state after an earlier frame, to go on from there
    side: gives the longer side of a frame, where looks may be larger; takes the first of the pair
    look_for: gives a look at a frame in which people were looked for once more, in windows around
        where they were; takes the first of the pair, the look, and where that is
    """
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
    flow.setFinestScale(FINEST)
    waiting: _Frame | None = None
    back: _Way | None = None  # from the waiting frame to the one before
    for tag, look in looks:
        alpha = look.alpha if isinstance(look, Look) else None
        longest = min(FLOW_SIDE, side(tag)) if side else FLOW_SIDE
        frame = _Frame(tag, look.seen, alpha, _grey(look.seen, longest))
        shape = look.seen.shape[:2]
        if waiting is None:
            back = _ways(flow, frame.grey, before.grey, shape)[0] if before else None
        else:
            there, here = _ways(flow, waiting.grey, frame.grey, shape)
            done = _settle(waiting, before, back, frame.alpha, there, see, look_for)
            yield done
            before, back = done.state, here
        waiting = frame
    if waiting is not None:
        yield _settle(waiting, before, back, None, None, see, look_for)


def _settle(
    frame: _Frame,
    before: State | None,
    back: _Way | None,
    after: np.ndarray | None,
    ahead: _Way | None,
    see: Callable[[Any], Look] | None,
    look_for: LookFor | None,
) -> Steadied:
    """A waiting frame between the state before it and the look after it, by the ways to both."""
    was = will = None
    followed = np.ones(frame.seen.shape[:2], np.float32)
    if before is not None and back is not None:
        until_now = _at(before.followed, back.x, back.y)
        was = _carry(before.alpha, back), back.trust * until_now
        followed = np.minimum(1 + back.trust**2 * until_now, LONGEST)
    if after is not None and ahead is not None:
        will = _carry(after, ahead), ahead.trust
    own = frame.alpha
    if own is None and was is None and will is None:
        if see is None:
            raise ValueError("a frame without a look that resembles none beside it")
        own = see(frame.tag).alpha
    if own is not None and was is not None and look_for is not None:
        own, was = _look_again(Look(own, frame.seen), was, functools.partial(look_for, frame.tag))
    elif own is None and was is not None and will is not None:
        # They will be looked for there; until then they are believed to be here.
        lost = _lost(will[0], was)
        was = was[0], np.where(lost, np.maximum(was[1], 1), was[1])
        will = will[0], np.where(_spread(lost, FOUND_REACH), np.float32(0), will[1])
    alpha = _between(was, will) if own is None else _calm(own, was, will)
    cut = before is not None and back is None
    return Steadied(frame.tag, Look(alpha, frame.seen), State(alpha, frame.grey, followed), cut)


def _between(was: _Carried | None, will: _Carried | None) -> np.ndarray:
    """Alpha of a frame that was not looked at: of its neighbours, as far as each is trusted."""
    known = [one for one in (was, will) if one is not None]
    shares = [np.maximum(weight, DOUBT) for _, weight in known]
    weighted = [share * alpha for share, (alpha, _) in zip(shares, known)]
    return np.sum(weighted, axis=0) / np.sum(shares, axis=0)


def _calm(own: np.ndarray, was: _Carried | None, will: _Carried | None) -> np.ndarray:
    """Alpha of a frame that was looked at, and its neighbours where they are trusted."""
    alpha, weight, seen = own, np.ones_like(own), own
    if was is not None and will is not None:
        low, high = np.minimum(was[0], will[0]), np.maximum(was[0], will[0])
        middle = np.clip(own, low, high)
        alpha = own = own + np.minimum(np.minimum(was[1], 1), will[1]) * (middle - own)
    if was is not None:
        share = PAST * was[1]
        share = np.where(_is_trace(was[0], seen), np.minimum(share, TRACE_PAST), share)
        alpha, weight = alpha + share * was[0], weight + share
    if will is not None:
        # What is seen for the first time there may be wrong there.
        share = NEXT * will[1] * np.maximum(1 - np.abs(will[0] - own) / SURPRISE, 0)
        alpha, weight = alpha + share * will[0], weight + share
    return np.clip(alpha / weight, 0, 1)


def _look_again(
    look: Look, was: _Carried, look_for: Callable[[Look, np.ndarray], Look]
) -> tuple[np.ndarray, _Carried]:
    """A look and what was there, after those who are missing in it were looked for once more."""
    own = look.alpha
    lost = _lost(own, was)
    windows = np.zeros(own.shape, bool)
    for box in find_small_people(lost, own.shape, in_film=True):
        box.of(windows)[...] = True
    lost &= windows
    if not lost.any():
        return own, was
    again = look_for(look, lost.astype(np.float32)).alpha
    around = _spread(lost, FOUND_REACH)
    new = _Spots((again > FAINT) & (own < FAINT))
    found = _spread(new.where(new.count(around) > 0.5 * new.areas), RIM)
    missing = _Spots(around)
    gone = missing.where(missing.count(found) == 0)
    past = np.where(gone, np.minimum(was[1], GONE_PAST), was[1])
    return np.where(found, np.maximum(own, again), own), (was[0], past)


def _lost(seen: np.ndarray, was: _Carried) -> np.ndarray:
    """Where there were people of whom hardly anything is seen: bool ``[h, w]``."""
    held = (was[0] > HELD) & (was[1] > 0)
    missed = held & (seen < FAINT)
    if np.count_nonzero(missed) < PERSON * seen.size:
        return np.zeros(seen.shape, bool)
    people = _Spots(held)
    known = people.count(was[1]) > KNOWN * people.areas
    beside = people.areas > BESIDE * people.areas.max()
    return people.where(known & beside & (people.count(missed) > MISSED * people.areas))


class _Spots:
    """What hangs together, each by its number: of bool ``[h, w]``. The rest is none.

    areas: pixels of each
    """

    def __init__(self, where: np.ndarray) -> None:
        _, self._labels = cv2.connectedComponents(where.astype(np.uint8))
        self.areas = self.count(where)

    def count(self, weights: np.ndarray) -> np.ndarray:
        """The sum of each spot's weights."""
        return np.bincount(self._labels.ravel(), weights.ravel())

    def where(self, wanted: np.ndarray) -> np.ndarray:
        """Where the spots are that are wanted: bool ``[h, w]``."""
        return (wanted & (self.areas > 0))[self._labels]


def _spread(where: np.ndarray, reach: int) -> np.ndarray:
    """Where there is something within so many pixels: bool ``[h, w]``."""
    return cv2.dilate(where.astype(np.uint8), _window(reach)) > 0


def _window(reach: int) -> np.ndarray:
    return np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)


def _is_trace(was: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Where what was is a mere trace: the network is sure, all around, and nearly agrees."""
    window = _window(SURE_REACH)
    nobody, somebody = cv2.dilate(seen, window) < SURE, cv2.erode(seen, window) > 1 - SURE
    return (nobody | somebody) & (np.abs(was - seen) < TRACE)


def _grey(seen: np.ndarray, side: int) -> np.ndarray:
    height, width = seen.shape[:2]
    scale = min(1.0, side / max(height, width))
    size = max(16, round(width * scale)), max(16, round(height * scale))
    return cv2.resize(cv2.cvtColor(seen, cv2.COLOR_RGB2GRAY), size, interpolation=cv2.INTER_AREA)


def _ways(
    flow: Any, one: np.ndarray, other: np.ndarray, shape: tuple[int, ...]
) -> tuple[_Way | None, _Way | None]:
    """The ways from one frame to another and back, for alphas of ``shape``; None across a cut."""
    if one.shape != other.shape:  # a film that changes its size
        return None, None
    there, back = flow.calc(one, other, None), flow.calc(other, one, None)
    ways = _way(there, back, one, other, shape), _way(back, there, other, one, shape)
    if min(float(way.trust.mean()) for way in ways) < CUT:
        return None, None
    return ways


def _way(
    there: np.ndarray, back: np.ndarray, one: np.ndarray, other: np.ndarray, shape: tuple[int, ...]
) -> _Way:
    height, width = one.shape
    dx, dy = cv2.split(there)
    x, y = _places(height, width)
    x, y = x + dx, y + dy
    back_x, back_y = cv2.split(_at(back, x, y))
    # Not `cv2.magnitude`: its last bit depends on where the arrays lie in memory, and a film that
    # was interrupted is to come out as if it had not been.
    missed = np.sqrt((dx + back_x) ** 2 + (dy + back_y) ** 2)
    unlike = cv2.blur(cv2.absdiff(one, _at(other, x, y)), (3, 3)).astype(np.float32)
    trust = _trust(missed / max(height, width), MEET) * _trust(unlike, ALIKE)
    trust[(x < 0) | (y < 0) | (x > width - 1) | (y > height - 1)] = 0
    trust = cv2.erode(trust, np.ones((3, 3), np.uint8))
    rows, cols = shape
    dx, dy, trust = (cv2.resize(plane, (cols, rows)) for plane in (dx, dy, trust))
    x, y = _places(rows, cols)
    return _Way(x + dx * np.float32(cols / width), y + dy * np.float32(rows / height), trust)


def _trust(difference: np.ndarray, bounds: tuple[float, float]) -> np.ndarray:
    """1 up to the lower bound, 0 from the upper one on, float32."""
    low, high = bounds
    return np.clip((np.float32(high) - difference) * np.float32(1 / (high - low)), 0, 1)


@functools.lru_cache(maxsize=4)
def _places(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    return x, y


def _at(plane: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return cv2.remap(plane, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _carry(alpha: np.ndarray, way: _Way) -> np.ndarray:
    """A neighbour's alpha, moved to where its pixels are in this frame."""
    carried = cv2.remap(alpha, way.x, way.y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.clip(carried, 0, 1)
