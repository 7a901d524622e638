"""Draw the pictures of the README and of these pages anew, with the weights that are installed.

    python docs/pictures.py                 before-after.jpg, scenes.jpg, film.jpg
    python docs/pictures.py --failures      failures.jpg, too; needs scikit-image for its photos

Needs bshm[video]. page.png is a screenshot of `bshm serve`.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Iterable

import av
import cv2
import numpy as np
from PIL import Image

import bshm
from bshm.cli.main import main as command

DOCS = Path(__file__).parent
PORTRAITS = [DOCS.parent / "image-matting" / name for name in ("1.png", "2.png")]
TEAL = (18, 120, 118)
DUSK = [(38, 42, 92), (96, 84, 104), (196, 142, 76), (70, 62, 70)]  # from the sky to the ground
FPS = 24


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--failures", action="store_true", help="failures.jpg, too")
    args = parser.parse_args()
    save("before-after.jpg", before_after())
    save("scenes.jpg", scenes())
    save("film.jpg", film())
    if args.failures:
        save("failures.jpg", failures())


def save(name: str, rgb: np.ndarray) -> None:
    Image.fromarray(rgb).save(DOCS / name, quality=90)
    print(DOCS / name)


def before_after() -> np.ndarray:
    """A row a portrait: the photo, its matte, the cutout before a colour and before a gradient."""
    rows = []
    for path in PORTRAITS:
        cutout = bshm.cutout(path)
        matte = np.repeat((cutout.alpha * 255).round().astype(np.uint8)[..., None], 3, 2)
        cells = [photo(path), matte, cutout.on(TEAL).rgba, cutout.on("#f4f4f0..#9db4c8").rgba]
        rows.append(row(cells, (300, 300)))
    return np.vstack(rows)


def scenes() -> np.ndarray:
    """The photo; on a gradient with a shadow; in a dusk, lit by it; its background blurred."""
    rows = []
    for path in PORTRAITS:
        cutout = bshm.cutout(path)
        cells = [
            photo(path),
            cutout.on("#f2f8fa..#cfe0e6", path, shadow="auto").rgba,
            cutout.on(dusk(512, 512), path).rgba,
            cutout.on("blur", path).rgba,
        ]
        rows.append(row(cells, (260, 260), gap=5))
    return np.vstack([rows[0], np.full((5, rows[0].shape[1], 3), 255, np.uint8), rows[1]])


def film() -> np.ndarray:
    """Five frames of a camera that moves over a portrait, and what `bshm video` makes of them."""
    with tempfile.TemporaryDirectory() as folder:
        clip, sunset = Path(folder, "clip.mp4"), Path(folder, "sunset.mp4")
        write(clip, (window(number / (2 * FPS)) for number in range(2 * FPS)))
        write(sunset, (dusk(480, 640, number / (2 * FPS)) for number in range(2 * FPS)))
        films = [clip]
        for name, flags in (
            ("matte.mp4", ["--only-alpha"]),
            ("sunset-behind.mp4", ["--background", str(sunset)]),
            ("blurred.mp4", ["--background", "blur"]),
        ):
            made = Path(folder, name)
            command(["video", str(clip), "-o", str(made), "--quiet", *flags])
            films.append(made)
        return np.vstack([row(shown(made), (248, 198)) for made in films])


def failures() -> np.ndarray:
    """Photos and their cutouts: something held, an unusual pose, an animal."""
    from skimage import data

    upside_down = np.ascontiguousarray(np.rot90(data.astronaut(), 2))
    camera = np.repeat(data.camera()[..., None], 3, 2)
    cells = []
    for rgb in (camera, upside_down, np.ascontiguousarray(data.chelsea()[:, 60:360])):
        cells += [rgb, bshm.cutout(rgb).on(TEAL).rgba]
    return row(cells, (260, 260))


def photo(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB"))


def dusk(height: int, width: int, sun: float | None = None) -> np.ndarray:
    """A sky over the ground, ``[height, width, 3]``, and the sun at that share of the width."""
    at = np.linspace(0, len(DUSK) - 1, height)
    column = np.stack([np.interp(at, range(len(DUSK)), level) for level in zip(*DUSK)], -1)
    sky = np.repeat(column[:, None], width, 1)
    if sun is not None:
        y, x = np.mgrid[:height, :width] / height
        glow = np.exp(-(((x - sun * width / height) ** 2 + (y - 0.5) ** 2) / 0.02))
        sky += glow[..., None] * (np.array([255, 236, 190]) - sky)
    return sky.clip(0, 255).astype(np.uint8)


def window(share: float) -> np.ndarray:
    """What a hand-held camera sees of the first portrait, 640 × 480, from left to right."""
    scale = 0.64 - 0.04 * np.sin(np.pi * share)  # of a pixel of the portrait to one of the frame
    move = np.array([[scale, 0, 8 + 60 * share], [0, scale, 18 + 12 * np.sin(6 * share)]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(photo(PORTRAITS[0]), move, (640, 480), flags=flags)


def write(path: Path, frames: Iterable[np.ndarray]) -> None:
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=FPS, options={"crf": "12"})
        stream.width, stream.height, stream.pix_fmt = 640, 480, "yuv420p"
        for rgb in frames:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")))
        out.mux(stream.encode(None))


def shown(path: Path) -> list[np.ndarray]:
    """Five frames of a film, from the first to the last."""
    with av.open(str(path)) as source:
        frames = [frame.to_ndarray(format="rgb24") for frame in source.decode(video=0)]
    return [frames[round(at)] for at in np.linspace(0, len(frames) - 1, 5)]


def row(cells: Iterable[np.ndarray], size: tuple[int, int], gap: int = 0) -> np.ndarray:
    """Pictures beside each other, each its upper middle, shrunk to ``size`` (width, height)."""
    made: list[np.ndarray] = []
    for rgb in cells:
        height, width = rgb.shape[:2]
        tall = min(height, round(width * size[1] / size[0]))
        wide = min(width, round(height * size[0] / size[1]))
        left = (width - wide) // 2
        cell = np.ascontiguousarray(rgb[:tall, left : left + wide, :3])
        made += [cv2.resize(cell, size, interpolation=cv2.INTER_AREA)]
        made += [np.full((size[1], gap, 3), 255, np.uint8)] if gap else []
    return np.hstack(made[:-1] if gap else made)


if __name__ == "__main__":
    main()
