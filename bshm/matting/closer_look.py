"""A closer look at people who are small in the frame: where, and how it is put into the matte."""

from __future__ import annotations

import cv2
import numpy as np

from bshm import planes
from bshm.pictures import Box

# Share of the frame: a smaller group of people gets a closer look. Also in a photo of which the
# first look saw every pixel, for the mask network works at half of that size.
SMALL = 0.3
# The same for films, whose frames are smaller than photos and show people from head to foot.
SMALL_IN_FILM = 0.55
# Parts of a frame's side, at whose edges a film's windows begin and end: so they seldom change from
# frame to frame, and with them what the network sees.
FILM_GRID = 32
MARGIN = 0.25  # share of the group's own size, added on each side
MAX_CROPS = 4
PERSON = 0.0005  # share of the frame: a smaller spot gets no closer look
# Share of the largest spot: smaller ones are cleared; a single spot is always kept.
SPECK = 0.02


def drop_specks(alpha: np.ndarray) -> np.ndarray:
    """Clear spots that are too small beside the people to be people: float32 ``[h, w]``.

    A spot is whatever hangs together above one twentieth. Raised hands and hats hang together
    with their people; flags and lamps behind them do not.
    """
    # Without statistics, which take eight times as long and are seldom needed.
    count, labels = cv2.connectedComponents((alpha > 0.05).astype(np.uint8))
    if count <= 2:  # the background and one group
        return alpha
    areas = np.bincount(labels.ravel())
    keep = areas >= SPECK * areas[1:].max()
    keep[0] = True  # what is fainter than the threshold, next to a person or nowhere
    return np.where(keep[labels], alpha, np.float32(0))


def find_small_people(
    alpha: np.ndarray, shape: tuple[int, int], in_film: bool = False
) -> list[Box]:
    """Windows of a photo of ``shape`` in which people small in the frame deserve another look.

    alpha: the first look, float32 ``[h, w]``. Nobody, or people as large as the frame: no boxes.
    in_film: it is a film's frame
    """
    height, width = shape
    people = (alpha > 0.5).astype(np.uint8)
    around = planes.box(people)
    if around is None:
        return []
    people = around.of(people)
    count, _, stats, _ = cv2.connectedComponentsWithStats(people)
    boxes: list[Box] = []
    for left, top, across, down, pixels in stats[1:count].tolist():
        if pixels < PERSON * alpha.size:
            continue
        left, top = left + around.left, top + around.top
        rim = MARGIN * max(across, down)
        box = Box(
            max(0, int((top - rim) * height / alpha.shape[0])),
            min(height, int((top + down + rim) * height / alpha.shape[0]) + 1),
            max(0, int((left - rim) * width / alpha.shape[1])),
            min(width, int((left + across + rim) * width / alpha.shape[1]) + 1),
        )
        if in_film:
            box = _on_grid(box, shape)
        # Joining may reach further boxes: take them all in until none overlaps.
        while any(box.overlaps(other) for other in boxes):
            for other in [other for other in boxes if box.overlaps(other)]:
                boxes.remove(other)
                box = box.join(other)
        boxes.append(box)
    small = SMALL_IN_FILM if in_film else SMALL
    boxes = [box for box in boxes if box.area < small * height * width]
    return sorted(boxes, key=lambda box: box.area, reverse=True)[:MAX_CROPS]


def _on_grid(box: Box, shape: tuple[int, int]) -> Box:
    """The smallest window on the grid that holds this one."""
    down, across = (max(1, round(side / FILM_GRID)) for side in shape)
    return Box(
        box.top // down * down,
        min(shape[0], -(-box.bottom // down) * down),
        box.left // across * across,
        min(shape[1], -(-box.right // across) * across),
    )


def blend(alpha: np.ndarray, closer: np.ndarray, box: Box) -> None:
    """Put a closer look into the whole matte, in place, fading in over the window's margin."""
    height, width = closer.shape
    window = box.of(alpha)
    down = _fade(height, box.top > 0, box.bottom < alpha.shape[0])
    across = _fade(width, box.left > 0, box.right < alpha.shape[1])
    closer -= window
    closer *= down[:, None]
    closer *= across
    window += closer


def _fade(length: int, at_start: bool, at_end: bool) -> np.ndarray:
    """Weights float32 [length] of 1, falling to 0 at the ends that are inside the photo."""
    ramp = max(1, round(length * MARGIN / (1 + 2 * MARGIN) / 2))
    weights = np.ones(length, np.float32)
    if at_start:
        weights[:ramp] = np.linspace(0, 1, ramp, endpoint=False)
    if at_end:
        weights[length - ramp :] = np.linspace(1, 0, ramp)
    return weights
