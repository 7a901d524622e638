"""Rewrite the stored mattes after new weights: ``python -m tests.store_mattes``. Then look."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from bshm import Matting

ROOT = Path(__file__).parent

if __name__ == "__main__":
    with Matting(weights="bshm-lite") as matting:
        for name in ("1.png", "2.png"):
            photo = Image.open(ROOT.parent / "image-matting" / name).convert("RGB")
            matte = cv2.convertScaleAbs(matting.alpha(np.asarray(photo)), alpha=255)
            (ROOT / "mattes").mkdir(exist_ok=True)
            Image.fromarray(matte).save(ROOT / "mattes" / name, optimize=True)
