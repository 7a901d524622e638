"""Sizes of ID photos and of paper, by name or in millimetres, inches or pixels."""

from __future__ import annotations

import re
from typing import NamedTuple

MM = 25.4  # millimetres an inch
DPI = 300  # pixels an inch where nothing else is asked for
SIDES = (16, 10000)  # pixels: the least and the most a side


class Rule(NamedTuple):
    """How a head is to stand in the frame: the least, what is aimed at, the most.

    head: height from crown to chin, in heights of the frame
    top: room above the crown, in heights of the frame
    """

    head: tuple[float, float, float]
    top: tuple[float, float, float]


PORTRAIT = Rule((0.45, 0.6, 0.7), (0.05, 0.1, 0.17))  # where no authority says otherwise
PASSPORT = Rule((0.7, 0.74, 0.8), (0.03, 0.09, 0.15))  # ICAO 9303: 32 to 36 mm of 45
AMERICAN = Rule((0.5, 0.6, 0.69), (0.05, 0.12, 0.25))  # 1 to 1 3/8 inches of 2
CHINESE_VISA = Rule((0.58, 0.63, 0.69), (0.06, 0.08, 0.11))  # 28 to 33 mm of 48, 3 to 5 mm above


class Size(NamedTuple):
    """The frame of an ID photo: pixels, and what they are on paper."""

    width: int
    height: int
    dpi: int
    rule: Rule = PORTRAIT


class IdPhoto(NamedTuple):
    """What is wanted.

    size: the frame
    paper: width and height in pixels of the sheet that is filled with copies; None is one photo
    lenient: make it also of a photo that breaks a rule
    """

    size: Size
    paper: tuple[int, int] | None = None
    lenient: bool = False


# Width and height in mm.
NAMED = {
    "1inch": (25, 35, PORTRAIT),
    "2inch": (35, 53, PORTRAIT),
    "small-1inch": (22, 32, PORTRAIT),
    "small-2inch": (35, 45, PORTRAIT),
    "large-1inch": (33, 48, PORTRAIT),
    "cn-visa": (33, 48, CHINESE_VISA),
    "us-visa": (2 * MM, 2 * MM, AMERICAN),
    "jp": (25, 35, PORTRAIT),
    "kr": (35, 45, PASSPORT),
    "eu": (35, 45, PASSPORT),
}
PAPERS = {  # width and height in mm
    "5inch": (3.5 * MM, 5 * MM),
    "6inch": (4 * MM, 6 * MM),
    "a6": (105, 148),
    "a5": (148, 210),
    "a4": (210, 297),
    "letter": (8.5 * MM, 11 * MM),
}
_UNITS = {"mm": 1.0, "cm": 10.0, "in": MM, "px": 0.0}


def parse(text: str, dpi: int = DPI) -> Size:
    """A name, or ``35x45mm``, ``3.5x4.5cm``, ``2x2in``, ``413x531px``: width × height.

    Raises ValueError, with what was expected.
    """
    known = NAMED.get(text.strip().lower())
    if known:
        return Size(*_pixels(known[0], known[1], "mm", dpi, text), dpi, known[2])
    return Size(*_measures(text, dpi, NAMED), dpi)


def paper(text: str, dpi: int = DPI) -> tuple[int, int]:
    """Width and height of a sheet in pixels; texts as of `parse`."""
    known = PAPERS.get(text.strip().lower())
    return _pixels(*known, "mm", dpi, text) if known else _measures(text, dpi, PAPERS)


def _measures(text: str, dpi: int, names: dict) -> tuple[int, int]:
    number = r"(\d+(?:\.\d+)?)"
    found = re.fullmatch(
        number + r"\s*[x×*]\s*" + number + r"\s*(mm|cm|in|px)", text.strip().lower()
    )
    if not found:
        expected = "%s: expected %s, or such as 35x45mm, 2x2in, 413x531px"
        raise ValueError(expected % (text, ", ".join(names)))
    width, height, unit = found.groups()
    return _pixels(float(width), float(height), unit, dpi, text)


def _pixels(width: float, height: float, unit: str, dpi: int, text: str) -> tuple[int, int]:
    scale = _UNITS[unit] * dpi / MM or 1.0
    sides = round(width * scale), round(height * scale)
    if not all(SIDES[0] <= side <= SIDES[1] for side in sides):
        got = "%s: %d×%d pixels; expected %d to %d a side"
        raise ValueError(got % (text, *sides, *SIDES))
    return sides
