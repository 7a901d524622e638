"""How much the matte of one photo changes when nothing about the person does."""

from __future__ import annotations

from pathlib import Path
from typing import Callable

import cv2
import numpy as np

from benchmarks.mattes import Mattes

SHIFT = 3  # pixels, to the right and down
QUALITY = 55  # of the JPEG
GAIN = 1.12

Picture = np.ndarray


def _moved(picture: Picture) -> Picture:
    return np.roll(picture, (SHIFT, SHIFT), (0, 1))


def _moved_back(matte: np.ndarray) -> np.ndarray:
    return np.roll(matte, (-SHIFT, -SHIFT), (0, 1))


def _encoded(picture: Picture) -> Picture:
    data = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1]
    return np.ascontiguousarray(cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1])


def _brightened(picture: Picture) -> Picture:
    return cv2.convertScaleAbs(picture, alpha=GAIN)


def _same(matte: np.ndarray) -> np.ndarray:
    return matte


# What is done to the photo, and how its matte is laid back onto that of the photo as it was.
CHANGES: dict[str, tuple[Callable[[Picture], Picture], Callable[[np.ndarray], np.ndarray]]] = {
    "%d px shift" % SHIFT: (_moved, _moved_back),
    "JPEG %d" % QUALITY: (_encoded, _same),
    "brightened %d %%" % round(100 * (GAIN - 1)): (_brightened, _same),
}


def measure(tool: Mattes, photos: list[Picture]) -> dict[str, float]:
    """Mean absolute difference of the mattes for every change, over all pixels of all photos.

    The rim of a photo is left out: a shift brings there what left at the other side.
    """
    inside = np.s_[2 * SHIFT : -2 * SHIFT, 2 * SHIFT : -2 * SHIFT]
    totals = dict.fromkeys(CHANGES, 0.0)
    for photo in photos:
        plain = tool.alpha(photo, Path())
        for name, (change, undo) in CHANGES.items():
            again = undo(tool.alpha(np.ascontiguousarray(change(photo)), Path()))
            totals[name] += float(np.abs(again - plain)[inside].mean())
    return {name: total / len(photos) for name, total in totals.items()}


def table(results: dict[str, dict[str, float]]) -> str:
    """A Markdown table of {tool: {change: difference}}, times 1000."""
    lines = [
        "| mean difference × 1000 | " + " | ".join(CHANGES) + " |",
        "|---|" + "---:|" * len(CHANGES),
    ]
    for tool, row in results.items():
        lines.append("| " + " | ".join([tool, *("%.1f" % (1000 * v) for v in row.values())]) + " |")
    return "\n".join(lines)
