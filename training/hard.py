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
from training.losses import soft_iou
from training.networks import BSHM
from training.train import has_bfloat16

SIDE = 288  # pixels: a square photo's side where the mask network sees it
CELL = 32


def error(model: BSHM, rgb: np.ndarray, alpha: np.ndarray, weight: np.ndarray) -> float:
    """1 - soft IoU. rgb uint8 [H, W, 3]; target and its weight uint8 [H, W]."""
    scale = SIDE / math.sqrt(rgb.shape[0] * rgb.shape[1])
    size = tuple(max(1, round(side * scale / CELL)) * CELL for side in rgb.shape[1::-1])

    def plane(pixels: np.ndarray) -> torch.Tensor:
        pixels = np.atleast_3d(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA))
        return torch.from_numpy(pixels.transpose(2, 0, 1)[None].astype(np.float32))

    photo = plane(rgb).contiguous(memory_format=torch.channels_last)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=has_bfloat16()):
        mask = model.mpn(photo).float().softmax(1)[:, 1:]
    mask = F.interpolate(mask, size=size[::-1], mode="bilinear", align_corners=False)
    return float(1 - soft_iou(mask, plane(alpha) / 255, plane(weight) / 255))


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
