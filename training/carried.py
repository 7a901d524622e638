"""Carried things that human masks leave out: found by two witnesses, made part of the person.

    python -m training.carried DATA FUSED --salient isnet.onnx [--set sup]

In some sets a bag, a ball or a helmet in the arm is no part of the mask, and a network that learns
from them tears it out of the person's hands. One witness is the shipped network, the other one of
what is salient in a picture: IS-Net as rembg loads it (`isnet-general-use.onnx`), which knows
nothing of people. What both hold beside the mask, touching it, is carried. What only one of them
holds is its mistake, and the mask stays right.

FUSED, written by `training.fuse`, is changed in place: alpha, weight and foreground of the photos
where something is carried. Whole things are cut out into FUSED/carried/NAME-N.png (RGBA), for
`training.data` to give into other people's hands.
"""

from __future__ import annotations

import argparse
import multiprocessing
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import onnxruntime

from bshm import Matting
from training.fuse import beside, disk, photos_of, radius_of, read_mask, trimap

SIDE = 512  # pixels: of the picture that IS-Net sees
# Share of the person's area: less is a ragged edge, more is somebody or something else.
SIZES = (0.002, 0.5)
SOLID = 0.9  # alpha of the shipped network from which on what it holds is as good as a label
# Weight of the loss around a carried thing, where alpha is solid and where it is not.
AROUND = (200, 60)  # of 255
# Of things to be given to others: pixels of the shorter side, share of their box, of the person.
SMALLEST, FULL, LEAST = 40, 0.35, 0.01
LONGEST = 320  # pixels: side of a cut-out thing


def carried(mask: np.ndarray, own: np.ndarray, salient: np.ndarray, radius: int) -> np.ndarray:
    """Where both witnesses hold something beside the person, touching it: bool [H, W].

    mask uint8 0/1, own and salient float32 0-1, all [H, W]; radius: half the band, in pixels.
    """
    spots = beside(trimap(mask, radius), [own, salient])
    _, labels, stats, _ = cv2.connectedComponentsWithStats(spots.astype(np.uint8))
    low, high = (share * mask.sum() for share in SIZES)
    chosen = (stats[:, cv2.CC_STAT_AREA] >= low) & (stats[:, cv2.CC_STAT_AREA] <= high)
    chosen[0] = False
    return chosen[labels]


def include(
    alpha: np.ndarray, weight: np.ndarray, own: np.ndarray, spots: np.ndarray, radius: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Alpha and weight (uint8 [H, W]) with the spots in, and where they changed (bool [H, W]).

    Around a spot alpha is what the shipped network says: the band between it and the person is
    solid there, its far edge a guess.
    """
    near = cv2.dilate(spots.astype(np.uint8), disk(2 * radius + 5)) > 0
    alpha = np.where(near, np.maximum(alpha, np.round(own * 255)), alpha).astype(np.uint8)
    solid, open_ = AROUND
    around = np.where(own > SOLID, np.maximum(weight, solid), np.minimum(weight, open_))
    weight = np.where(spots, 255, np.where(near, around, weight)).astype(np.uint8)
    return alpha, weight, near


def things(rgb: np.ndarray, spots: np.ndarray, person: float) -> list[np.ndarray]:
    """The whole ones of the carried things, cut out: uint8 RGBA; person: its area in pixels."""
    found = []
    count, labels, stats, _ = cv2.connectedComponentsWithStats(spots.astype(np.uint8))
    for number in range(1, count):
        x, y, w, h, area = stats[number]
        if min(w, h) < SMALLEST or area < FULL * w * h or area < LEAST * person:
            continue
        window = np.s_[y : y + h, x : x + w]
        own = cv2.copyMakeBorder((labels[window] == number) * 1.0, 3, 3, 3, 3, cv2.BORDER_CONSTANT)
        own = cv2.GaussianBlur(cv2.erode(own, np.ones((3, 3))), (0, 0), 1.2)[3:-3, 3:-3]
        rgba = np.dstack([rgb[window], np.round(own * 255).astype(np.uint8)])
        scale = LONGEST / max(w, h)
        if scale < 1:
            rgba = cv2.resize(rgba, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        found.append(rgba)
    return found


class Witnesses:
    """The two networks, one pair a process."""

    def __init__(self, salient: Path) -> None:
        cv2.setNumThreads(1)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3  # errors
        self.matting = Matting(weights="bshm-lite", threads=1)
        self.net = onnxruntime.InferenceSession(
            str(salient), options, providers=["CPUExecutionProvider"]
        )

    def own(self, rgb: np.ndarray) -> np.ndarray:
        return self.matting.alpha(rgb)

    def salient(self, rgb: np.ndarray) -> np.ndarray:
        small = cv2.resize(rgb, (SIDE, SIDE)).astype(np.float32) / 255 - 0.5
        (name,) = (given.name for given in self.net.get_inputs())
        seen = self.net.run(None, {name: small.transpose(2, 0, 1)[None]})[0][0, 0]
        seen = (seen - seen.min()) / (np.ptp(seen) + 1e-6)
        return cv2.resize(seen, rgb.shape[1::-1])


witnesses: Witnesses  # of a worker's process


def _start(salient: Path) -> None:
    global witnesses
    witnesses = Witnesses(salient)


def do_photo(photo: Path, data: Path, fused: Path) -> bool:
    """Relabel one photo; whether something is carried in it."""
    name = photo.stem
    mask = read_mask(data, name)
    if not mask.any():
        return False
    rgb = np.ascontiguousarray(cv2.imread(str(photo))[:, :, ::-1])
    radius = radius_of(mask, name.split("-")[0])
    own = witnesses.own(rgb)
    # The first witness alone clears half of the photos, and the second is slow.
    if not carried(mask, own, own, radius).any():
        return False
    spots = carried(mask, own, witnesses.salient(rgb), radius)
    if not spots.any():
        return False
    planes = {folder: fused / folder / f"{name}.png" for folder in ("alpha", "weight")}
    alpha, weight = (cv2.imread(str(path), 0) for path in planes.values())
    alpha, weight, near = include(alpha, weight, own, spots, radius)
    cv2.imwrite(str(planes["alpha"]), alpha)
    cv2.imwrite(str(planes["weight"]), weight)
    path = fused / "foreground" / f"{name}.jpg"
    front = cv2.imread(str(path))
    front[near & (mask == 0)] = rgb[..., ::-1][near & (mask == 0)]
    cv2.imwrite(str(path), front, [cv2.IMWRITE_JPEG_QUALITY, 92])
    for number, thing in enumerate(things(rgb, spots, float(mask.sum()))):
        colours = thing[..., [2, 1, 0, 3]]
        cv2.imwrite(str(fused / "carried" / f"{name}-{number}.png"), colours)
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("fused", type=Path, help="folder written by training.fuse")
    parser.add_argument("--salient", type=Path, required=True, help="IS-Net's ONNX graph")
    parser.add_argument("--set", default="sup", help="photos to go through (default: sup)")
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args()
    photos = [p for p in photos_of(args.data) if p.stem.split("-")[0] == args.set]
    (args.fused / "carried").mkdir(exist_ok=True)
    with multiprocessing.Pool(args.jobs, _start, (args.salient,)) as pool:
        work = partial(do_photo, data=args.data, fused=args.fused)
        changed = sum(pool.imap_unordered(work, photos, chunksize=8))
    print(f"{len(photos)} photos: something is carried in {changed}")


if __name__ == "__main__":
    main()
