"""Rewrite the stored mattes after new weights: ``python -m tests.store_mattes``. Then look."""

from __future__ import annotations

from pathlib import Path

from bshm import Matting
from bshm.codec.decode import decode
from bshm.pipeline import Recipe, render

ROOT = Path(__file__).parent

if __name__ == "__main__":
    with Matting(weights="bshm-lite") as matting:
        for name in ("1.png", "2.png"):
            photo = decode((ROOT.parent / "image-matting" / name).read_bytes(), name)
            render(photo, matting, Recipe(only_alpha=True)).save(ROOT / "mattes" / name)
