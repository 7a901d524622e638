"""Where the person stands in the picture, and how large."""

from __future__ import annotations

import re
from typing import NamedTuple

import cv2
import numpy as np

from bshm import planes
from bshm.scene import shares

SIDES = {"left": 0.0, "center": 0.5, "right": 1.0}
ENDS = {"top": 0.0, "center": 0.5, "bottom": 1.0}
SCALES = (0.05, 4.0)  # of the photo's size: the least and the most


class Place(NamedTuple):
    """The photo, shrunk or grown by ``scale``, then moved by ``x`` and ``y`` pixels."""

    scale: float = 1.0
    x: float = 0.0
    y: float = 0.0


def parse(text: str) -> tuple[float | None, float | None]:
    """``left``, ``right bottom``, ``30%``, ``30%,100%``: 0 at the left or top, 1 at the other side.

    None is where the person stands in the photo. Raises ValueError, with what was expected.
    """
    words = re.split(r"[\s,]+", text.strip().lower())
    if words == ["original"]:
        return None, None
    if len(words) not in (1, 2):
        raise ValueError("%s: expected X or X,Y, such as left or 30%%,100%%" % text)
    if words[0] in ("top", "bottom"):
        words = [words[1] if len(words) == 2 else "original", words[0]]
    across = _share(words[0], SIDES, text)
    return across, _share(words[1], ENDS, text) if len(words) == 2 else None


def _share(word: str, names: dict[str, float], text: str) -> float | None:
    if word == "original":
        return None
    if word in names:
        return names[word]
    found = re.fullmatch(r"(\d+(?:\.\d+)?)%", word)
    if not found or float(found.group(1)) > 100:
        raise ValueError(
            "%s: expected %s, original or 0%% to 100%%, got %s" % (text, ", ".join(names), word)
        )
    return float(found.group(1)) / 100


def parse_scale(value: str | float) -> float:
    """``0.5`` or ``50%``: half as large as in the photo. Raises ValueError."""
    return shares.parse(value, "a scale", SCALES)


def estimate(alpha: np.ndarray, position: tuple[float | None, float | None], scale: float) -> Place:
    """Where the photo goes so that the person stands where it was asked for.

    Who is cut off by an edge of the frame stays there: nobody floats without legs. Who is cut off
    at the left and the right goes to the side that was asked for. Else people are scaled around
    the middle of their feet.
    """
    if position == (None, None) and scale == 1:
        return Place()
    height, width = alpha.shape
    people = planes.box(cv2.inRange(alpha, 0.5, 2.0))
    if people is None:
        return Place()
    middle, feet = (people.left + people.right) / 2, float(people.bottom)
    across, down = position
    if feet >= height - 1:
        down = None
    x = _along(people.left, people.right, width, across, scale, middle)
    y = _along(people.top, people.bottom, height, down, scale, feet)
    return Place(scale, x, y)


def _along(
    first: int, last: int, size: int, position: float | None, scale: float, anchor: float
) -> float:
    """Shift along one side, after scaling."""
    at_start, at_end = first <= 1, last >= size - 1
    if at_end and not at_start:
        return size * (1 - scale)
    if at_start and not at_end:
        return 0.0
    if position is not None:
        return (size - (last - first) * scale) * position - first * scale
    return anchor * (1 - scale)


def move(plane: np.ndarray, place: Place) -> np.ndarray:
    """A photo or a matte at its place, in a frame of its own size; 0 beside it."""
    if place == Place():
        return plane
    height, width = plane.shape[:2]
    size = max(1, round(width * place.scale)), max(1, round(height * place.scale))
    way = cv2.INTER_AREA if place.scale < 1 else cv2.INTER_LINEAR
    scaled = plane if place.scale == 1 else cv2.resize(plane, size, interpolation=way)
    out = np.zeros_like(plane)
    x, y = round(place.x), round(place.y)
    rows = slice(max(y, 0), max(min(y + size[1], height), 0))
    columns = slice(max(x, 0), max(min(x + size[0], width), 0))
    out[rows, columns] = scaled[
        rows.start - y : max(rows.stop - y, 0), columns.start - x : max(columns.stop - x, 0)
    ]
    return out
