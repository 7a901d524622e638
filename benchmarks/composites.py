"""Photos with an exact alpha: people put on new backgrounds, the same for the same seed."""

from __future__ import annotations

import random
from pathlib import Path

import cv2
import numpy as np

from benchmarks.pairs import PHOTO_SUFFIXES, read_photo


class Backgrounds:
    """A folder of photos without people, to put people on.

    `frame`: how many times wider and higher than the person's photo the composite is; above 1,
    the person stands at the lower edge and is small.
    """

    def __init__(self, folder: Path, seed: int = 0, frame: float = 1.0) -> None:
        self._files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in PHOTO_SUFFIXES)
        if not self._files:
            raise ValueError("%s: no backgrounds in this folder" % folder)
        self._seed = seed
        self._frame = frame

    def put(self, rgb: np.ndarray, alpha: np.ndarray, stem: str) -> tuple[np.ndarray, np.ndarray]:
        """uint8 [h, w, 3] and float32 [h, w] -> the composite and its exact alpha, in the frame.

        Which background, which part of it and where the person stands follow from the seed and
        the photo's name alone, so that every tool and every run sees the same pictures.
        """
        from bshm.matting import edge_colours

        chance = random.Random("%d %s" % (self._seed, stem))
        height, width = alpha.shape
        frame_size = (round(height * self._frame), round(width * self._frame))
        canvas = _cover(read_photo(chance.choice(self._files)), frame_size, chance)
        left = round(chance.random() * (frame_size[1] - width))
        place = np.s_[frame_size[0] - height :, left : left + width]
        exact = np.zeros(frame_size, np.float32)
        exact[place] = alpha
        canvas[place] = over(edge_colours.estimate(rgb, alpha), alpha, canvas[place])
        return canvas, exact


def over(colour: np.ndarray, alpha: np.ndarray, below: np.ndarray) -> np.ndarray:
    """``alpha * colour + (1 - alpha) * below``, uint8 [H, W, 3]."""
    a = alpha[..., None]
    return np.uint8(np.round(a * colour + (1 - a) * below))


def _cover(image: np.ndarray, size: tuple[int, int], chance: random.Random) -> np.ndarray:
    """The image scaled so that it just covers size (h, w), cut at a random place."""
    height, width = size
    scale = max(height / image.shape[0], width / image.shape[1])
    full = (max(width, round(image.shape[1] * scale)), max(height, round(image.shape[0] * scale)))
    image = cv2.resize(image, full, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    top = chance.randint(0, full[1] - height)
    left = chance.randint(0, full[0] - width)
    return image[top : top + height, left : left + width].copy()
