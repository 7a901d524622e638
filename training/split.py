"""The one rule that keeps validation photos out of training.

A tenth of the photos, chosen by a hash of the name, is never trained on. The same picture may lie
in a data set twice under two names, so photos that look alike form a group, and a group is held
out only if all its names are.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import cv2
import numpy as np

GRID = 16  # cells a side of the fingerprint, which has GRID * GRID bits
# Bits in which the fingerprints of one picture, cropped or encoded differently, still differ.
ALIKE = 28


def is_validation(stem: str) -> bool:
    """True for a name that falls into the tenth that is never trained on."""
    return int(hashlib.sha256(stem.encode()).hexdigest()[:8], 16) % 10 == 0


def held_out(photos: list[Path]) -> set[str]:
    """Names (stems) of the photos that are never trained on."""
    found = set()
    for group in alike(photos):
        names = [photos[index].stem for index in group]
        if all(is_validation(name) for name in names):
            found.update(names)
    return found


def alike(photos: list[Path]) -> list[list[int]]:
    """Indices of the photos in groups that show the same picture; most groups have one member."""
    prints = np.stack([fingerprint(cv2.imread(str(path), 0)) for path in photos]).astype(np.float32)
    group = list(range(len(photos)))

    def first(index: int) -> int:
        while group[index] != index:
            index = group[index]
        return index

    ones = prints.sum(1)
    for i, bits in enumerate(prints):
        differing = ones + ones[i] - 2 * (prints @ bits)
        for j in np.flatnonzero(differing[:i] <= ALIKE):
            group[first(int(j))] = first(i)
    members: dict[int, list[int]] = {}
    for index in range(len(photos)):
        members.setdefault(first(index), []).append(index)
    return list(members.values())


def fingerprint(grey: np.ndarray) -> np.ndarray:
    """Whether each cell is brighter than its right neighbour: bool [GRID²] of uint8 [H, W]."""
    small = cv2.resize(grey, (GRID + 1, GRID), interpolation=cv2.INTER_AREA).astype(np.int16)
    return (small[:, 1:] > small[:, :-1]).ravel()
