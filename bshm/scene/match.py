"""What a person lacks in the light of a scene, by a small network that looks at histograms.

It sees how the tones and colours of the photo's old background, of the new one and of the person
are spread, and tells the scalars that `light.estimate` takes from differences of means: the idea of
Harmonizer (Ke et al., ECCV 2022) at a thousandth of its size. The old background tells of the
photo's light, the new one of the scene's, and the person of what a camera made of both: no skin is
that dark, no shirt that blue. `training/light.py` makes the weights.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bshm.scene import tones

WEIGHTS = Path(__file__).parent.parent / "data" / "light.npz"

# Bins, the least and the most of the histogram of: coded luma, red less blue, green less their
# mean, and the largest of R, G, B less the smallest; coded values 0-1.
BINS = ((17, 0.0, 1.0), (13, -0.4, 0.4), (9, -0.25, 0.25), (9, 0.0, 0.8))
MEANS = 7  # numbers beside the histograms
STATISTICS = sum(bins for bins, _, _ in BINS) + MEANS
DARK = 0.004  # of linear light: below, noise


class Difference(NamedTuple):
    """Of the person's light to the scene's."""

    exposure: float = 0.0  # EV
    warmth: float = 0.0  # EV of red against blue
    tint: float = 0.0  # EV of green against both
    contrast: float = 0.0  # EV of the spread of coded luma
    black: float = 0.0  # of coded values
    saturation: float = 0.0  # EV of the mean spread of R, G and B


# The most that is taken over. Skin must never turn green.
LIMITS = Difference(0.65, 0.25, 0.05, 0.15, 0.035, 0.2)


def statistics(pixels: np.ndarray) -> np.ndarray:
    """How tones and colours are spread: float32 ``[STATISTICS]`` of uint8 pixels ``[N, 3]``."""
    red, green, blue = np.ascontiguousarray(pixels.T) * np.float32(1 / 255)
    luma = tones.LUMA[0] * red + tones.LUMA[1] * green + tones.LUMA[2] * blue
    warm, tint = red - blue, green - (red + blue) / 2
    spread = np.maximum(np.maximum(red, green), blue) - np.minimum(np.minimum(red, green), blue)
    bright = tones.TO_LINEAR[pixels] @ tones.LUMA
    means = np.array(
        [
            np.log2(bright.mean() + DARK),
            luma.mean(),
            luma.std(),
            warm.mean(),
            warm.std(),
            tint.mean(),
            spread.mean(),
        ]
    )
    parts = [_histogram(each, *bins) for each, bins in zip((luma, warm, tint, spread), BINS)]
    return np.concatenate([*parts, means]).astype(np.float32)


def _histogram(values: np.ndarray, bins: int, least: float, most: float) -> np.ndarray:
    """Shares of the values in each bin, those between two middles shared out by distance."""
    at = np.clip((values - least) / (most - least) * (bins - 1), 0, bins - 1)
    low = np.minimum(at.astype(np.intp), bins - 2)
    high_share = at - low
    found = np.bincount(low, 1 - high_share, bins) + np.bincount(low + 1, high_share, bins)
    return found / max(len(values), 1)


def difference(old: np.ndarray, new: np.ndarray, person: np.ndarray) -> Difference:
    """What to do to the person, of the statistics of both backgrounds and the person."""
    net = _network()
    seen = (np.concatenate([old, new, person]) - net["mean"]) / net["deviation"]
    for layer in ("1", "2"):
        seen = np.maximum(net["weight" + layer] @ seen + net["bias" + layer], 0)
    told = net["weight3"] @ seen + net["bias3"]
    return Difference(*(float(value) for value in np.array(LIMITS, np.float32) * np.tanh(told)))


@lru_cache(maxsize=1)
def _network() -> dict[str, np.ndarray]:
    with np.load(str(WEIGHTS)) as stored:
        return {name: stored[name].astype(np.float32) for name in stored.files}
