"""Cutouts as encoders want them: colours that go on under alpha 0, sides that are even."""

from __future__ import annotations

import cv2
import numpy as np

from bshm.video.formats import Format

STEP = 8  # pixels of the frame to one of the copy that is spread


def lay_out(pixels: np.ndarray, form: Format) -> np.ndarray:
    """What is encoded of a finished frame.

    pixels: uint8, straight RGBA ``[H, W, 4]``, RGB ``[H, W, 3]`` or a matte ``[H, W]``
    """
    if pixels.ndim == 3 and pixels.shape[2] == 4:
        if not form.container or form.rewrites:  # without loss, or with one transparent colour
            return pixels
        pixels = spread(pixels)
        if form.stacks:
            matte = cv2.cvtColor(np.ascontiguousarray(pixels[..., 3]), cv2.COLOR_GRAY2RGB)
            pixels = np.concatenate([pixels[..., :3], matte])
    if form.opaque.pixels == "yuv420p" and form.stacks:
        pixels = _even(pixels)
    return np.ascontiguousarray(pixels)


def spread(rgba: np.ndarray) -> np.ndarray:
    """The same where alpha is above 0; below it the colours next to it, ever smoother.

    Encoders save a colour for several pixels and ring at steep edges: black below alpha 0 would
    come out as a dark rim. Takes and returns uint8 ``[H, W, 4]``.
    """
    height, width = rgba.shape[:2]
    alpha = np.ascontiguousarray(rgba[..., 3])
    clear = cv2.inRange(alpha, 0, 0)
    if not cv2.countNonZero(clear):
        return rgba
    size = max(1, width // STEP), max(1, height // STEP)
    # Colours are 0 where alpha is, so their mean over a cell, by the share that shows, is theirs.
    shown = cv2.resize(cv2.bitwise_not(clear), size, interpolation=cv2.INTER_AREA)
    colour = cv2.resize(rgba[..., :3], size, interpolation=cv2.INTER_AREA).astype(np.float32)
    below = _push_pull(colour, shown.astype(np.float32) / 255)
    below = cv2.resize(below.round().astype(np.uint8), (width, height))
    out = cv2.merge([*cv2.split(below), alpha])
    cv2.copyTo(rgba, cv2.bitwise_not(clear), dst=out)
    return out


def _push_pull(colour: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Colours, weighted by ``share``, float32 ``[h, w, 3]``, with their gaps filled from afar."""
    height, width = share.shape
    own = colour / np.maximum(share, np.float32(1e-3))[..., None]
    if min(height, width) < 2:
        total = max(float(share.sum()), 1e-3)
        mean = colour.sum(axis=(0, 1)) / total
        return own * (share > 0)[..., None] + mean * (share == 0)[..., None]
    size = (width + 1) // 2, (height + 1) // 2
    far = _push_pull(cv2.pyrDown(colour, dstsize=size), cv2.pyrDown(share, dstsize=size))
    far = cv2.resize(far, (width, height), interpolation=cv2.INTER_LINEAR)
    weight = np.minimum(share, 1)[..., None]
    return np.clip(weight * own + (1 - weight) * far, 0, 255)


def _even(pixels: np.ndarray) -> np.ndarray:
    """With a last row or column once more where sides are odd, which yuv420p cannot have."""
    height, width = pixels.shape[:2]
    if not (height % 2 or width % 2):
        return pixels
    return cv2.copyMakeBorder(pixels, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
