"""Photos and their true alphas, matched by name, and how to read both."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps

PHOTO_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"}


class Pair(NamedTuple):
    """One photo, its alpha, its name below its folder, and the set it counts towards."""

    key: Path
    group: str
    photo: Path
    alpha: Path


class Named:
    """Pictures below a folder, found by the name of another one: without its ending.

    One in the sub-folder of the same name is preferred to one elsewhere.
    """

    def __init__(self, folder: Path) -> None:
        self._here = {_key(path, folder): path for path in _images(folder)}
        self._anywhere = {path.stem: path for path in self._here.values()}

    def __len__(self) -> int:
        return len(self._here)

    def get(self, key: Path) -> Path | None:
        return self._here.get(key) or self._anywhere.get(key.name)


def find_pairs(photos: Path, alphas: Path) -> tuple[list[Pair], list[Path]]:
    """Match every photo below `photos` with the alpha of its name below `alphas`.

    The group is the photo's sub-folder, or else its name up to the first ``-``, or else "all".

    Returns the pairs, sorted by group and name, and the photos that have no alpha.
    Raises ValueError if a folder is missing or nothing matches.
    """
    for folder in (photos, alphas):
        if not folder.is_dir():
            raise ValueError("%s: no such folder" % folder)
    named = Named(alphas)
    pairs, lonely = [], []
    for photo in _images(photos):
        key = _key(photo, photos)
        alpha = named.get(key)
        if alpha is None:
            lonely.append(photo)
        else:
            pairs.append(Pair(key, _group(key), photo, alpha))
    if not pairs:
        raise ValueError("no photo in %s has an alpha of its name in %s" % (photos, alphas))
    return sorted(pairs, key=lambda pair: (pair.group, pair.photo)), lonely


def read_photo(path: Path) -> np.ndarray:
    """A photo upright, uint8 RGB [H, W, 3]."""
    with Image.open(path) as image:
        return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))


def read_alpha(path: Path) -> np.ndarray:
    """An alpha, float32 0..1, from a 1-, 8- or 16-bit grey file or a cutout's alpha channel."""
    with Image.open(path) as image:
        if image.mode in ("RGBA", "LA"):
            image = image.getchannel("A")
        if image.mode.startswith("I"):
            return np.asarray(image, np.float32) / 65535
        return np.asarray(image.convert("L"), np.float32) / 255


def _images(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() in PHOTO_SUFFIXES)


def _key(path: Path, folder: Path) -> Path:
    return path.relative_to(folder).with_suffix("")


def _group(key: Path) -> str:
    if key.parent != Path():
        return key.parent.as_posix()
    prefix, dash, _ = key.name.partition("-")
    return prefix if dash else "all"
