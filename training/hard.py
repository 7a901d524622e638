"""How far the mask network is off on each photo of a pack: the next stage draws those more often.

    python -m training.hard PACK RUN/last.pt

Writes PACK/hard.json: a photo's name -> 1 - soft IoU of mask and target, 0-1, where the target is
known. See `training.data.Pack.chances`.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from training.average import weights
from training.data import Pack
from training.networks import BSHM

SIDE = 288  # pixels: a square photo's side where the mask network sees it
CELL = 32


def error(model: BSHM, rgb: np.ndarray, alpha: np.ndarray, weight: np.ndarray) -> float:
    """1 - soft IoU. rgb uint8 [H, W, 3]; target and its weight uint8 [H, W]."""
    scale = SIDE / math.sqrt(rgb.shape[0] * rgb.shape[1])
    size = tuple(max(1, round(side * scale / CELL)) * CELL for side in rgb.shape[1::-1])
    shrink = lambda plane: cv2.resize(plane, size, interpolation=cv2.INTER_AREA)  # noqa: E731
    photo = torch.from_numpy(shrink(rgb).transpose(2, 0, 1)[None].astype(np.float32))
    photo = photo.contiguous(memory_format=torch.channels_last)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        mask = model.mpn(photo).float().softmax(1)[:, 1:]
    mask = F.interpolate(mask, size=size[::-1], mode="bilinear", align_corners=False)[0, 0].numpy()
    target, known = shrink(alpha) / np.float32(255), shrink(weight) / np.float32(255)
    shared = (np.minimum(mask, target) * known).sum()
    either = (np.maximum(mask, target) * known).sum()
    return float(1 - (shared + 1) / (either + 1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("pack", type=Path)
    parser.add_argument("checkpoint", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    model = BSHM.of(weights(args.checkpoint)).eval().to(memory_format=torch.channels_last)
    pack = Pack(args.pack)
    errors = {}
    for index in pack.people():
        planes = (pack.plane(index, name, 1) for name in ("rgb", "alpha", "weight"))
        errors[pack.records[index]["name"]] = round(error(model, *planes), 4)
    (args.pack / "hard.json").write_text(json.dumps(errors))


if __name__ == "__main__":
    main()
