"""Where the head is, from the matte alone.

The outline shows the crown (hair and hat included), the head's width, and the neck unless hair or a
collar hides it. It does not show the chin, which lies in front of the neck, nor the eyes.
Both are estimated: the chin where the neck is narrow, within what heads of that width have, or else
from the width alone; the eyes half way between crown and chin. On the two sample portraits the chin
is 13 pixels too low (of 169) and 26 too high (of 284). Nor does it show whether a head leans: hair
makes slanted outlines of straight heads, by as much as heads lean.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

SIDE = 384  # pixels: long side of what is measured
SOLID = 0.5  # alpha: the outline
STRAND = 0.06  # of the side of a square as large as the person: half of what a bun may be wide
APART = 6  # pixels of the small matte: as far as soft edges reach
OTHER = 0.08  # of the largest person's area: what is as large is a person, too

# In widths of the head.
WIDEST = 0.75  # below the crown: until there, the widest row is the head's own
NECK = (0.95, 1.75)  # below the crown: between these rows the neck is looked for
SHORT, TALL = 1.15, 1.5  # from crown to chin
USUAL = 1.3
AXIS = 0.85  # below the crown: further down, hair hangs as it likes
NARROW = 0.82  # a neck is narrower than this

EYES = 0.5  # of the way from crown to chin
BESIDE = 0.25  # of the head's area: what rises beside it and is as large may be a second head
RISES = 0.5  # of the head's height: how far it rises then


class Head(NamedTuple):
    """A head, in pixels of the photo; rows count down from the upper edge.

    crown: the highest row of hair
    chin, eyes: rows, estimated
    left, right: columns, at the head's widest
    middle: column in the middle of all its rows
    neck: whether a neck shows; without one the chin is a guess from the head's width
    """

    crown: float
    chin: float
    eyes: float
    left: float
    right: float
    middle: float
    neck: bool

    @property
    def height(self) -> float:
        return self.chin - self.crown

    @property
    def width(self) -> float:
        return self.right - self.left

    def moved(self, scale: float, left: float = 0.0, top: float = 0.0) -> Head:
        """The same head where pixels are multiplied by ``scale``, less ``left`` and ``top``."""
        return self._replace(
            crown=scale * self.crown - top,
            chin=scale * self.chin - top,
            eyes=scale * self.eyes - top,
            left=scale * self.left - left,
            right=scale * self.right - left,
            middle=scale * self.middle - left,
        )


class Seen(NamedTuple):
    """What a matte shows: the largest person's head, and how many heads there are."""

    head: Head
    heads: int


def measure(alpha: np.ndarray) -> Seen | None:
    """The head in a matte, float32 ``[H, W]`` in 0-1; None where nobody is."""
    solid = _solid(alpha)
    person, others = _largest(solid)
    found = None if person is None else _outline(person)
    if person is None or found is None:
        return None
    head = _head(*found)
    scale = alpha.shape[0] / solid.shape[0]
    return Seen(head.moved(scale), 1 + others + _beside(person, head))


def alone(alpha: np.ndarray) -> np.ndarray:
    """The matte without what stands apart from the largest person, with its soft edges."""
    solid = _solid(alpha)
    person, _ = _largest(solid)
    others = solid if person is None else solid - person
    if person is None or not others.any():
        return alpha
    around = np.ones((2 * APART + 1,) * 2, np.uint8)
    ours = cv2.dilate(person, around) > others
    theirs = (cv2.dilate(others, around) > 0) & ~ours
    clear = cv2.resize(1 - theirs.astype(np.float32), alpha.shape[::-1])
    return alpha * clear


def _solid(alpha: np.ndarray) -> np.ndarray:
    """Where somebody is, 0 or 1, in a small matte."""
    shrink = min(1.0, SIDE / max(alpha.shape))
    size = [max(1, round(side * shrink)) for side in alpha.shape[::-1]]
    return (cv2.resize(alpha, tuple(size), interpolation=cv2.INTER_AREA) > SOLID).astype(np.uint8)


def _largest(solid: np.ndarray) -> tuple[np.ndarray | None, int]:
    """The largest person, 0 or 1, and how many more there are."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(solid, connectivity=8)
    if count < 2:
        return None, 0
    areas = stats[1:, cv2.CC_STAT_AREA]
    largest = int(np.argmax(areas))
    others = int((areas > OTHER * areas[largest]).sum()) - 1
    return (labels == largest + 1).astype(np.uint8), others


def _outline(person: np.ndarray) -> tuple[int, np.ndarray, np.ndarray] | None:
    """The first row, and left and right edge of each row from there on, followed downwards."""
    thick = max(1, round(STRAND * float(person.sum()) ** 0.5))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * thick + 1,) * 2)
    # Beyond the frame the person goes on.
    around = 2 * thick
    padded = cv2.copyMakeBorder(person, around, around, around, around, cv2.BORDER_REPLICATE)
    body = cv2.morphologyEx(padded, cv2.MORPH_OPEN, kernel)[around:, around:]
    body = body[: person.shape[0], : person.shape[1]]
    rows = np.flatnonzero(body.any(axis=1))
    if not len(rows):
        return None
    first = int(rows[0])
    edges: list[tuple[int, int]] = []
    for row in body[first:]:
        steps = np.flatnonzero(np.diff(np.concatenate([[0], row, [0]]).astype(np.int8)))
        runs = steps.reshape(-1, 2)
        if not len(runs):
            break
        if edges:
            left, right = edges[-1]
            shared = np.minimum(runs[:, 1], right) - np.maximum(runs[:, 0], left)
            run = runs[int(np.argmax(shared))]
        else:
            run = runs[int(np.argmax(runs[:, 1] - runs[:, 0]))]
        edges.append((int(run[0]), int(run[1])))
    left, right = np.array(edges, np.float64).T
    return first, left, right


def _head(first: int, left: np.ndarray, right: np.ndarray) -> Head:
    """The head on top of an outline."""
    widths = right - left
    widest = np.maximum.accumulate(widths)
    below = np.arange(len(widths)) >= WIDEST * widest
    end = int(np.argmax(below)) if below.any() else len(widths) - 1
    width = float(widest[end])
    at = int(np.argmax(widths[: end + 1]))
    high, neck = _chin(widths, width)
    own = slice(0, max(1, round(AXIS * width)))
    return Head(
        crown=float(first),
        chin=first + high,
        eyes=first + EYES * high,
        left=float(left[at]),
        right=float(right[at]),
        middle=float((left[own] + right[own]).mean() / 2),
        neck=neck,
    )


def _chin(widths: np.ndarray, width: float) -> tuple[float, bool]:
    """How far below the crown the chin is, and whether a neck tells."""
    start, stop = (round(share * width) for share in NECK)
    near = widths[start:stop]
    if len(near):
        narrowest = float(near.min())
        if narrowest < NARROW * width and start + int(np.argmin(near)) < len(widths) - 1:
            upper = start + int(np.argmax(near <= 1.1 * narrowest))
            lower = start + int(np.argmin(near))
            guess = 0.25 * upper + 0.75 * lower
            return float(np.clip(guess, SHORT * width, TALL * width)), True
    return USUAL * width, False


def _beside(person: np.ndarray, head: Head) -> int:
    """How many things that may be heads rise beside the head of somebody who touches them."""
    high = head.height
    area = float(high * head.width)
    found = 0
    last = min(len(person), round(head.crown + 2.5 * high))
    for row in range(round(head.crown + RISES * high), last, max(1, round(high / 8))):
        _, labels, stats, _ = cv2.connectedComponentsWithStats(person[:row], connectivity=8)
        own = labels[:, int(head.middle)].max() if row else 0
        large = [
            label
            for label in range(1, len(stats))
            if label != own
            and stats[label, cv2.CC_STAT_HEIGHT] > RISES * high
            and stats[label, cv2.CC_STAT_AREA] > BESIDE * area
        ]
        found = max(found, len(large))
    return found
