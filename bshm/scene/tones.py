"""Coded values (sRGB, 0-255) and the light they stand for (linear, 0-1).

The mix of person and background, `alpha F + (1 - alpha) B`, is one of coded values. A lens mixes
light, but the matte and the edge colours were found by looking at coded values, and make up for
it: of 40 composites mixed as a lens does, put on another background, the soft edges' mean squared
error is 954 with coded values and 1003 with light (with an alpha that is exact 95 and 35;
`benchmarks/scene.py space`).

Whatever is done to light itself (exposure, white balance, shadow, blur) is reckoned in linear
light. There a gain is a factor. On coded values it is one, too, but for the darkest: the curve of
sRGB is near a power of 2.2, and ``(g x)^(1/2.2)`` is ``g^(1/2.2) x^(1/2.2)``. So smooth gains are
applied to coded values, and pictures need not be decoded for them.
"""

from __future__ import annotations

import cv2
import numpy as np

GAMMA = 2.2  # power that the curve of sRGB is near to
LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)  # share of R, G and B in luminance (BT.709)
FINE = 4095  # steps of linear light in the table back to coded values


def decode(coded: np.ndarray) -> np.ndarray:
    """Coded values 0-1 -> linear light 0-1, float32 (IEC 61966-2-1)."""
    coded = np.asarray(coded, np.float32)
    return np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)


def encode(linear: np.ndarray) -> np.ndarray:
    """Linear light, cut off at 0 and 1 -> coded values 0-1, float32."""
    linear = np.clip(np.asarray(linear, np.float32), 0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


TO_LINEAR = decode(np.arange(256) / np.float32(255))
_TO_CODED = (encode(np.arange(FINE + 1) / np.float32(FINE)) * 255 + 0.5).astype(np.uint8)


def to_linear(rgb: np.ndarray) -> np.ndarray:
    """Coded uint8 of any shape -> linear float32 of that shape."""
    return cv2.LUT(np.ascontiguousarray(rgb), TO_LINEAR).reshape(rgb.shape)


def to_coded(linear: np.ndarray) -> np.ndarray:
    """Linear float32, cut off at 0 and 1 -> coded uint8."""
    steps = np.multiply(linear, FINE)
    steps += 0.5
    np.clip(steps, 0, FINE, out=steps)
    return _TO_CODED[steps.astype(np.uint16)]


def luminance(linear: np.ndarray) -> np.ndarray:
    """Linear RGB ``[..., 3]`` -> its luminance ``[...]``."""
    return linear @ LUMA
