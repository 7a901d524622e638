"""High dynamic range (PQ and HLG, ITU-R BT.2100) -> what a screen of BT.709 shows, 8 bits.

1. Coded values to light, in units of reference white (203 cd/m², ITU-R BT.2408).
2. The wide primaries of BT.2020 to those of BT.709.
3. What is brighter than half of white is bent, ever more, so that the peak becomes white. The
   brightest of R, G and B decides by how much, so that colours keep their hue.
4. Light to coded values of a screen (ITU-R BT.1886).
"""

from __future__ import annotations

import cv2
import numpy as np

PQ, HLG = 16, 18  # transfers, numbers of H.273
NAMES = {PQ: "PQ", HLG: "HLG"}
WIDE = 9  # primaries of BT.2020, a number of H.273
WHITE = 203.0  # cd/m²: reference white
PEAK = 1000.0  # cd/m²: of the screen that HLG is made for; what is brighter becomes white, too
KNEE = 0.5  # of white, in light: what is darker stays as it is
STEPS = 4096  # of the tables
GAMMA = 2.4  # of a screen

TO_BT709 = np.array(
    [
        [1.660491, -0.587641, -0.072850],
        [-0.124550, 1.132900, -0.008349],
        [-0.018151, -0.100579, 1.118730],
    ],
    np.float32,
)
LUMA = np.array([[0.2627, 0.6780, 0.0593]], np.float32)  # of BT.2020


def to_bt709(rgb: np.ndarray, transfer: int, primaries: int) -> np.ndarray:
    """Coded values, uint16 ``[H, W, 3]`` in full range -> uint8 of BT.709."""
    light = _LIGHT[transfer][rgb >> 4]
    if transfer == HLG:  # the screen's own gamma (BT.2100's OOTF), then its peak
        level = cv2.pow(cv2.transform(light, LUMA), 0.2) * np.float32(PEAK / WHITE)
        light *= level[..., None]
    if primaries == WIDE:
        light = cv2.transform(light, TO_BT709)
    light = np.maximum(light, 0)
    light *= _bend(light.max(axis=2))[..., None]
    steps = np.minimum(cv2.sqrt(light) * np.float32(STEPS - 1) + np.float32(0.5), STEPS - 1)
    return _CODED[steps.astype(np.uint16)]


def _bend(brightest: np.ndarray) -> np.ndarray:
    """Factor for pixels by their brightest channel: ``m t / (1 + (m - 1) t)`` from the knee on.

    It begins with the slope 1 and ends at white.
    """
    peak = np.float32(PEAK / WHITE)
    steep = (peak - KNEE) / (1 - KNEE)
    over = np.clip((brightest - KNEE) / (peak - KNEE), 0, 1)
    bent = KNEE + (1 - KNEE) * steep * over / (1 + (steep - 1) * over)
    return np.where(brightest > KNEE, bent / np.maximum(brightest, KNEE), 1).astype(np.float32)


def _pq(coded: np.ndarray) -> np.ndarray:
    """Light of PQ's values: SMPTE ST 2084."""
    power = coded ** (1 / 78.84375)
    light = np.maximum(power - 0.8359375, 0) / (18.8515625 - 18.6875 * power)
    return 10000 / WHITE * light ** (1 / 0.1593017578125)


def _hlg(coded: np.ndarray) -> np.ndarray:
    """Light of the scene of HLG's values, 0-1: ARIB STD-B67."""
    a = 0.17883277
    b, c = 1 - 4 * a, 0.5 - a * np.log(4 * a)
    return np.where(coded <= 0.5, coded**2 / 3, (np.exp((coded - c) / a) + b) / 12)


_AT = np.arange(STEPS) / (STEPS - 1)
_LIGHT = {PQ: _pq(_AT).astype(np.float32), HLG: _hlg(_AT).astype(np.float32)}
_CODED = (255 * _AT ** (2 / GAMMA)).round().astype(np.uint8)  # by the root of light
