"""Where the person stands in the picture, and how large."""

from __future__ import annotations

import re
from typing import NamedTuple

import cv2
import numpy as np

from bshm import planes
from bshm.pictures import Box
from bshm.scene import shares

SIDES = {"left": 0.0, "center": 0.5, "right": 1.0}
ENDS = {"top": 0.0, "center": 0.5, "bottom": 1.0}
BAND = 128  # pixels: rows or columns that are stretched at a time
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
    people = _people(alpha)
    if people is None:
        return Place()
    height, width = alpha.shape
    middle, feet = (people.left + people.right) / 2, float(people.bottom)
    (across, down), (x_edge, y_edge) = position, _edges(people, alpha.shape)
    x = _along(people.left, people.right, width, across, scale, middle, x_edge)
    y = _along(people.top, people.bottom, height, down, scale, feet, y_edge)
    return Place(scale, x, y)


def is_held(alpha: np.ndarray, position: tuple[float | None, float | None]) -> bool:
    """Whether who was asked to stand somewhere stays at an edge of the frame that cuts them off."""
    people = _people(alpha)
    if people is None:
        return False
    edges = _edges(people, alpha.shape)
    return any(None not in (asked, edge) and asked != edge for asked, edge in zip(position, edges))


def _people(alpha: np.ndarray) -> Box | None:
    return planes.box(cv2.inRange(alpha, 0.5, 2.0))


def _edges(people: Box, size: tuple[int, ...]) -> tuple[float | None, float | None]:
    """The edges that cut people off, across and down: 0 at the left or top, 1 at the other side,
    None where neither does. Both sides are as good as none; without feet nobody is at the top."""
    height, width = size
    left, right = people.left <= 1, people.right >= width - 1
    top, bottom = people.top <= 1, people.bottom >= height - 1
    return None if left == right else float(right), float(bottom) if top or bottom else None


def _along(
    first: int,
    last: int,
    size: int,
    position: float | None,
    scale: float,
    anchor: float,
    edge: float | None,
) -> float:
    """Shift along one side, after scaling."""
    if edge is not None:  # whole pixels, as `move` draws them
        return edge * (size - _scaled(size, scale))
    if position is not None:
        return (size - (last - first) * scale) * position - first * scale
    return anchor * (1 - scale)


def _scaled(side: int, scale: float) -> int:
    return max(1, round(side * scale))


def move_person(
    alpha: np.ndarray, colours: np.ndarray, place: Place
) -> tuple[np.ndarray, np.ndarray]:
    """Alpha float32 ``[H, W]`` and colours uint8 ``[H, W, 3]`` at their place.

    Colours are weighted by alpha: where nobody is they are black, and light clothes would get a
    dark rim.
    """
    if place.scale == 1:
        return move(alpha, place), move(colours, place)
    weighted = np.empty(colours.shape, np.uint16)
    for top in range(0, len(alpha), BAND):
        band = slice(top, top + BAND)
        weighted[band] = cv2.merge([alpha[band] * 256] * 3) * colours[band]
    alpha, weighted = move(alpha, place), move(weighted, place)
    out = np.empty_like(colours)
    for top in range(0, len(alpha), BAND):
        band = slice(top, top + BAND)
        share = cv2.merge([np.maximum(alpha[band], 1 / 256) * 256] * 3)
        out[band] = cv2.divide(weighted[band].astype(np.float32), share, dtype=cv2.CV_8U)
    return alpha, out


def move(plane: np.ndarray, place: Place) -> np.ndarray:
    """A photo or a matte at its place, in a frame of its own size; 0 beside it."""
    if place == Place():
        return plane
    height, width = plane.shape[:2]
    size = _scaled(width, place.scale), _scaled(height, place.scale)
    out = np.zeros_like(plane)
    x, y = round(place.x), round(place.y)
    rows = slice(max(y, 0), min(y + size[1], height))
    columns = slice(max(x, 0), min(x + size[0], width))
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return out
    seen = slice(rows.start - y, rows.stop - y), slice(columns.start - x, columns.stop - x)
    if place.scale > 1:
        out[rows, columns] = _enlarged(plane, size, seen)
    elif place.scale == 1:
        out[rows, columns] = plane[seen]
    else:
        out[rows, columns] = cv2.resize(plane, size, interpolation=cv2.INTER_AREA)[seen]
    return out


def _enlarged(plane: np.ndarray, size: tuple[int, int], window: tuple[slice, slice]) -> np.ndarray:
    """A window (rows, columns) of a plane that is made larger, ``size`` being width and height.

    The whole may be 16 times the photo. So each side is stretched by itself, a band of the other
    side at a time, which leaves of uint8 a step of 1 at most between this and the whole.
    """
    rows, columns = window
    height = len(plane)
    wide = np.zeros((height, columns.stop - columns.start, *plane.shape[2:]), plane.dtype)
    first = int(rows.start * height / size[1]) - 1  # the rows whose mixtures are in the window
    last = int(rows.stop * height / size[1]) + 2
    for top in range(max(first, 0), min(last, height), BAND):
        band = plane[top : min(top + BAND, last)]
        wide[top : top + len(band)] = cv2.resize(band, (size[0], len(band)))[:, columns]
    out = np.empty((rows.stop - rows.start, *wide.shape[1:]), plane.dtype)
    for left in range(0, wide.shape[1], BAND):
        strip = wide[:, left : left + BAND]
        out[:, left : left + BAND] = cv2.resize(strip, (strip.shape[1], size[1]))[rows]
    return out
