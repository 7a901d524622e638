"""A contact sheet of the worst cases: photo, true alpha, the matte, the cutout on magenta."""

from __future__ import annotations

import heapq
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw

from benchmarks.composites import over
from benchmarks.scores import Score

CELL = 320
LABEL = 18
MAGENTA = (255, 0, 255)


class Worst:
    """Keeps the `limit` photos with the largest MAD, scaled down, whatever the set's size."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._heap: list[tuple[float, str, Image.Image]] = []

    def offer(self, score: Score, rgb: np.ndarray, true: np.ndarray, matte: np.ndarray) -> None:
        """Keep this photo if it is among the worst so far."""
        if len(self._heap) == self._limit and score.mad <= self._heap[0][0]:
            return
        heapq.heappush(self._heap, (score.mad, score.stem, _strip(score, rgb, true, matte)))
        if len(self._heap) > self._limit:
            heapq.heappop(self._heap)

    def save(self, path: Path) -> None:
        """Write the sheet, worst first, in the format of the path's suffix."""
        strips = [strip for _, _, strip in sorted(self._heap, key=lambda item: -item[0])]
        image = Image.new("RGB", (strips[0].width, sum(s.height for s in strips)))
        top = 0
        for strip in strips:
            image.paste(strip, (0, top))
            top += strip.height
        image.save(path)


def _strip(score: Score, rgb: np.ndarray, true: np.ndarray, matte: np.ndarray) -> Image.Image:
    from bshm.pictures import Photo
    from bshm.pipeline import Recipe, finish

    colour = np.broadcast_to(np.uint8(MAGENTA), rgb.shape)
    found = finish(Photo(rgb), matte, Recipe())
    cutout = over(found.rgba[..., :3], found.alpha, colour)
    strip = Image.new("RGB", (4 * CELL, CELL + LABEL), (24, 24, 24))
    for column, picture in enumerate((rgb, _grey(true), _grey(matte), cutout)):
        scale = CELL / max(picture.shape[:2])
        size = [max(1, round(n * scale)) for n in picture.shape[1::-1]]
        small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        strip.paste(Image.fromarray(small), (column * CELL + (CELL - size[0]) // 2, LABEL))
    text = "%s   MAD %.4f   MSE %.4f   Conn %.2f" % (score.stem, score.mad, score.mse, score.conn)
    draw = ImageDraw.Draw(strip)
    draw.text((6, 3), text, fill=(255, 255, 255))
    for column, title in enumerate(("", "true alpha", "matte", "cutout")):
        draw.text(((column + 1) * CELL - 70, 3), title, fill=(160, 160, 160))
    return strip


def _grey(alpha: np.ndarray) -> np.ndarray:
    return np.uint8(np.round(alpha * 255))
