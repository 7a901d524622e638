"""Copies of an ID photo on a sheet of paper, with lines to cut along."""

from __future__ import annotations

import numpy as np

from bshm.errors import OutputError
from bshm.idphoto.sizes import MM

MARGIN = 4.0  # mm: what printers leave white along the edges
GAP = 2.0  # mm between copies
LINE = 0.15  # mm: of the lines that are cut along
GREY = 160  # of 255


def lay_out(
    photo: np.ndarray, paper: tuple[int, int], dpi: int, blank: int = 255, line: int = GREY
) -> np.ndarray:
    """As many copies as go on a sheet, upright or lying, whichever holds more.

    photo: uint8 ``[H, W, ...]``; paper: width and height in pixels; blank, line: what the paper and
        the lines are, such as both 0 for a matte

    The lines run along the edges of the photos, between them and out to the paper's edges, never
    through one. Raises OutputError where not even one goes on it.
    """
    height, width = photo.shape[:2]
    margin, gap = round(MARGIN * dpi / MM), round(GAP * dpi / MM)
    sides = max(
        (paper, paper[::-1]),
        key=lambda side: _count(side[0], width, margin, gap) * _count(side[1], height, margin, gap),
    )
    across, down = (
        _starts(side, length, margin, gap) for side, length in zip(sides, (width, height))
    )
    if not across or not down:
        reason = "%d×%d pixels do not go on a sheet of %d×%d, with margins"
        raise OutputError(reason % (width, height, *paper), code="paper_too_small")
    sheet = np.full((sides[1], sides[0], *photo.shape[2:]), blank, np.uint8)
    thick = max(1, round(LINE * dpi / MM))
    for left in across:
        sheet[:, left - thick : left] = sheet[:, left + width : left + width + thick] = line
    for top in down:
        sheet[top - thick : top] = sheet[top + height : top + height + thick] = line
    for top in down:
        for left in across:
            sheet[top : top + height, left : left + width] = photo
    return sheet


def _count(side: int, length: int, margin: int, gap: int) -> int:
    return max(0, (side - 2 * margin + gap) // (length + gap))


def _starts(side: int, length: int, margin: int, gap: int) -> list[int]:
    """Where each copy begins; all of them stand in the middle."""
    count = _count(side, length, margin, gap)
    first = (side - count * (length + gap) + gap) // 2
    return [first + number * (length + gap) for number in range(count)]
