"""Compare two folders of grey PNGs: ``python -m tests.agree A B``; exit code 1 if they differ."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image

LEVELS = 2  # of 255, everywhere: what engines may differ by on the same weights


def main(first: str, second: str) -> int:
    paths = sorted(Path(first).glob("*.png"))
    worst = 0
    for path in paths:
        mattes = [np.asarray(Image.open(p), np.int16) for p in (path, Path(second) / path.name)]
        difference = int(np.abs(mattes[0] - mattes[1]).max())
        print("%s: mattes differ by at most %d of 255" % (path.name, difference))
        worst = max(worst, difference)
    return 0 if paths and worst <= LEVELS else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
