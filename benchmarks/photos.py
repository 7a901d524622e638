"""Test photos that anyone can make again: ``python benchmarks/photos.py FOLDER --sizes 1080p 4K``.

Each is one of the sample portraits, enlarged, set into a wide textured scene with grain, saved as
JPEG; size, place and mirror image follow from the photo's number alone.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

PORTRAITS = sorted((Path(__file__).resolve().parents[1] / "image-matting").glob("*.png"))
SCENE = (1920, 1080)
# All of one shape, so that time against megapixels is a clean curve.
SIZES = {
    "540p": (960, 540),
    "1080p": SCENE,
    "4K": (3840, 2160),
    "8K": (7680, 4320),
    "100MP": (13344, 7506),
}
FEATHER = 40
QUALITY = 90


def make(number: int, size: tuple[int, int]) -> np.ndarray:
    """Photo `number` at size (width, height): uint8 RGB [H, W, 3]."""
    rng = np.random.default_rng(number)
    with Image.open(PORTRAITS[number % len(PORTRAITS)]) as image:
        portrait = np.asarray(image.convert("RGB"))
    if rng.random() < 0.5:
        portrait = portrait[:, ::-1]
    scene = _scene(portrait, rng)
    way = cv2.INTER_AREA if size[0] < SCENE[0] else cv2.INTER_CUBIC
    photo = scene if size == SCENE else cv2.resize(scene, size, interpolation=way)
    return _grained(photo, rng)


def save(path: Path, number: int, size: tuple[int, int]) -> None:
    """Write the photo, unless it is there already."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".part")
        Image.fromarray(make(number, size)).save(partial, "JPEG", quality=QUALITY)
        partial.rename(path)


def _scene(portrait: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The portrait, standing on the lower edge of a blurred, textured scene of its own colours."""
    width, height = SCENE
    tall = int(height * rng.uniform(0.75, 1))
    wide = tall * portrait.shape[1] // portrait.shape[0]
    left = int(rng.uniform(0, width - wide))
    blurred = cv2.GaussianBlur(cv2.resize(portrait, (96, 54)), (0, 0), 8)
    scene = cv2.resize(blurred, SCENE, interpolation=cv2.INTER_CUBIC).astype(np.float32)
    for cells in (8, 32, 128):
        texture = rng.normal(0, 10, (cells * 9 // 16, cells, 1)).astype(np.float32)
        scene += cv2.resize(texture, SCENE, interpolation=cv2.INTER_CUBIC)[..., None]
    large = cv2.resize(portrait, (wide, tall), interpolation=cv2.INTER_CUBIC)
    x, y = np.arange(wide), np.arange(tall)
    edge = np.minimum(np.minimum(x, wide - 1 - x)[None], y[:, None]) / FEATHER
    weight = np.clip(edge, 0, 1)[..., None].astype(np.float32)
    place = np.s_[height - tall :, left : left + wide]
    scene[place] += weight * (large - scene[place])
    return np.uint8(np.clip(scene, 0, 255))


def _grained(photo: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Grain as of a camera: without it, an enlarged photo is unusually quick to read and write."""
    tile = np.int16(np.round(rng.normal(0, 4, (512, 1024, 3))))
    across = -(-photo.shape[1] // tile.shape[1])
    grain = np.tile(tile, (1, across, 1))[:, : photo.shape[1]]
    out = np.empty_like(photo)
    for top in range(0, photo.shape[0], len(grain)):
        rows = photo[top : top + len(grain)]
        out[top : top + len(rows)] = np.clip(rows + grain[: len(rows)], 0, 255)
    return out


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="photos", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=[], help="one photo of each")
    parser.add_argument("--count", type=int, default=0, help="a sub-folder of that many at 1080p")
    options = parser.parse_args(argv)
    for name in options.sizes:
        save(options.folder / ("%s.jpg" % name), 0, SIZES[name])
    for number in range(options.count):
        save(options.folder / ("folder-%d" % options.count) / ("%03d.jpg" % number), number, SCENE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
