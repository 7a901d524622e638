"""What the network takes for a person and is none, cut out to stand behind others.

    python -m training.mistakes DATA FUSED --sheet sheet.png     # look at the sheet, delete people

Dogs, horses, motorcycles, chairs and bedding: what the shipped network holds beside the mask, well
away from the person and from what is carried, and RobustVideoMatting does not hold. It goes to
FUSED/mistakes/NAME-N.png (RGBA), for `training.data`. Masks leave people out, too, whom both
networks may miss: of 311 cutouts 80 were people, clothes or things in hands.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from bshm import Matting
from training.carried import things
from training.fuse import photos_of, read_mask, read_teachers
from training.split import held_out

AWAY = 3  # pixels between person and mistake
OTHERS = 0.3  # mean alpha of the other network from which on it may be somebody
PLAIN = 28  # grey levels: standard deviation of what could as well be a shirt
SOLID = 9  # pixels: mistakes that are narrower are ragged edges
THUMB = 100  # pixels: side of a cutout on the sheet


def mistaken(own: np.ndarray, person: np.ndarray, other: np.ndarray, rgb: np.ndarray) -> np.ndarray:
    """Where the network is wrong about something of its own: bool [H, W].

    own, other: alphas of the network and of another, float32 0-1; person: bool, all that is part of
    the person; all [H, W]; rgb uint8 [H, W, 3]
    """
    near = cv2.dilate(person.astype(np.uint8), np.ones((2 * AWAY + 1,) * 2)) > 0
    spots = ((own > 0.5) & ~near).astype(np.uint8)
    solid = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (SOLID, SOLID))
    count, labels = cv2.connectedComponents(cv2.morphologyEx(spots, cv2.MORPH_OPEN, solid))
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    chosen = [False] + [
        other[labels == number].mean() < OTHERS and grey[labels == number].std() > PLAIN
        for number in range(1, count)
    ]
    return np.array(chosen)[labels]


def sheet_of(cutouts: list[Path]) -> np.ndarray:
    """All of them on green, small, in order: uint8 BGR, fifteen a row."""
    tiles = []
    for path in cutouts:
        rgba = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        scale = THUMB / max(rgba.shape[:2])
        small = cv2.resize(rgba, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)[
            :THUMB, :THUMB
        ].astype(np.float32)
        tile = np.full((THUMB, THUMB, 3), (0, 200, 0), np.float32)
        part = small[..., 3:] / 255
        window = tile[: len(small), : small.shape[1]]
        window[:] = window * (1 - part) + small[..., :3] * part
        tiles.append(tile.astype(np.uint8))
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % 15)
    return np.vstack([np.hstack(tiles[at : at + 15]) for at in range(0, len(tiles), 15)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("fused", type=Path, help="folder written by training.fuse")
    parser.add_argument("--sheet", type=Path, help="a picture of all that was cut out")
    args = parser.parse_args()
    out = args.fused / "mistakes"
    out.mkdir(exist_ok=True)
    photos = photos_of(args.data)
    validation = held_out(photos)
    with Matting(weights="bshm-lite") as matting:
        for photo in photos:
            name = photo.stem
            if name in validation:
                continue
            mask = read_mask(args.data, name)
            other = read_teachers(args.data, name).get("rvm")
            if other is None or not mask.any():
                continue
            rgb = np.ascontiguousarray(cv2.imread(str(photo))[:, :, ::-1])
            alpha = cv2.imread(str(args.fused / "alpha" / f"{name}.png"), 0)
            spots = mistaken(matting.alpha(rgb), (alpha > 12) | (mask > 0), other, rgb)
            for number, thing in enumerate(things(rgb, spots, float(mask.sum()))):
                cv2.imwrite(str(out / f"{name}-{number}.png"), thing[..., [2, 1, 0, 3]])
    cutouts = sorted(out.glob("*.png"))
    print(f"{len(cutouts)} mistakes")
    if args.sheet and cutouts:
        cv2.imwrite(str(args.sheet), sheet_of(cutouts))


if __name__ == "__main__":
    main()
