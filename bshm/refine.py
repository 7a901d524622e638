"""Alpha from working size to the photo's own pixels, guided by the photo.

The network sees a small copy of the photo, so its alpha is soft by as much as the photo is
larger. Near an edge, alpha is close to a linear function of colour within a few pixels (the
colour line model: Levin et al., "A Closed-Form Solution to Natural Image Matting", 2008). So that
function is fitted at working size, and the photo itself then supplies the detail, as in the fast
guided filter (He & Sun, arXiv 1505.00996), with two changes:

- the lines are not averaged over windows: each passes through its own pixel's alpha, so working
  size alpha comes back exactly where the photo has no detail to add, instead of as a fog;
- before the fit, alpha takes one step towards the compositing equation (`_sharpen`).

Only the surroundings of an edge are computed. The rest is filled with 0 or 1, so the cost beyond
that grows with the length of the edges, not with the photo.
"""

from __future__ import annotations

from typing import Iterator

import cv2
import numpy as np

SNAP = 1.5 / 255  # closer than this to 0 or 1 is 0 or 1: the released BSHM says 254 for "solid"
STRETCH = 0.5 / 255  # the same for results, which only have to survive rounding to 8 bits
BLOCK = 96  # working-size pixels: the planes of a block fit the processor's cache
STRIP = 64  # photo rows done at once
CHUNK = 256  # photo columns done at once: small enough that a matrix product takes one thread
REACH = 3  # working-size pixels: the fit looks one around, bicubic weights two more


def upsample(alpha: np.ndarray, rgb: np.ndarray, small: np.ndarray | None = None) -> np.ndarray:
    """Bring alpha to the size of the photo.

    Takes alpha, float32 ``[h, w]`` in 0–1, the photo, uint8 ``[H, W, 3]``, and, if it is at hand,
    the photo at alpha's size (``INTER_AREA``; made here otherwise). Returns float32 ``[H, W]`` in
    0–1. Where alpha is 0 or 1 all around, the result is exactly 0 or 1. Memory beside the result
    depends on alpha's size and the photo's width only.
    """
    height, width = rgb.shape[:2]
    rows, cols = min(alpha.shape[0], height), min(alpha.shape[1], width)
    if alpha.shape != (rows, cols):
        alpha = cv2.resize(alpha, (cols, rows), interpolation=cv2.INTER_AREA)
    alpha = np.where(alpha > SNAP, np.where(alpha < 1 - SNAP, alpha, np.float32(1)), np.float32(0))
    if (rows, cols) == (height, width):
        return alpha

    out = np.zeros((height, width), np.float32)
    soft = _soft(alpha, REACH)
    planes: list[np.ndarray] = []
    if soft.any():
        if small is None or small.shape[:2] != (rows, cols):
            small = cv2.resize(rgb, (cols, rows), interpolation=cv2.INTER_AREA)
        planes = _colour_lines(alpha, small)
    step = max(2, STRIP * rows // height)
    for row in range(0, rows, step):
        stop = min(row + step, rows)
        top, bottom = _span(row, stop, rows, height)
        kinds = np.where(soft[row:stop].any(axis=0), np.float32(-1), alpha[row])
        wide = None
        for first, last in _runs(kinds):
            left, right = _span(first, last, cols, width)
            if kinds[first] == 1:
                out[top:bottom, left:right] = 1
            elif kinds[first] < 0:
                if wide is None:
                    near, weights = _bicubic(top, bottom, rows, height)
                    wide = [_widen(plane[near], width) for plane in planes]
                for x in range(left, right, CHUNK):
                    part = np.s_[top:bottom, x : min(x + CHUNK, right)]
                    out[part] = _apply([weights @ p[:, part[1]] for p in wide], rgb[part])
    return out


def _soft(alpha: np.ndarray, reach: int) -> np.ndarray:
    """Where a pixel at most `reach` away is neither 0 nor 1, or differs: bool ``[h, w]``."""
    window = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    return (cv2.dilate(alpha, window) > 0) & (cv2.erode(alpha, window) < 1)


def _colour_lines(alpha: np.ndarray, small: np.ndarray) -> list[np.ndarray]:
    """Planes a, b, c, d ``[h, w]`` with alpha = a R + b G + c B + d for photo values 0–255."""
    rows, cols = alpha.shape
    planes = [np.zeros_like(alpha) for _ in range(3)] + [alpha.copy()]
    edge = _soft(alpha, 1)
    halo = 3  # two for _sharpen, one for _fit
    for y in range(0, rows, BLOCK):
        for x in range(0, cols, BLOCK):
            block = np.s_[y : min(y + BLOCK, rows), x : min(x + BLOCK, cols)]
            if not edge[block].any():
                continue
            y0, x0 = max(y - halo, 0), max(x - halo, 0)
            around = np.s_[y0 : block[0].stop + halo, x0 : block[1].stop + halo]
            inner = np.s_[y - y0 : block[0].stop - y0, x - x0 : block[1].stop - x0]
            # Centred colours lose the fewest digits in the products below.
            colour = [
                plane.astype(np.float32) * np.float32(1 / 255) - np.float32(0.5)
                for plane in cv2.split(np.ascontiguousarray(small[around]))
            ]
            near = _sharpen(alpha[around], colour)
            slopes = _fit(near, colour)
            offset = near[inner]
            for plane, slope, value in zip(planes, slopes, colour):
                inside = slope[inner] * edge[block]
                plane[block] = inside * np.float32(1 / 255)
                offset = offset - inside * (value[inner] + np.float32(0.5))
            planes[3][block] = offset
    # Stretched by a hair, so that rounding cannot keep 0 and 1 from being exact once clipped.
    scale = np.float32(1 / (1 - 2 * STRETCH))
    for plane in planes:
        plane *= scale
    planes[3] -= np.float32(STRETCH) * scale
    return planes


def _box(plane: np.ndarray, radius: int) -> np.ndarray:
    side = 2 * radius + 1
    return cv2.boxFilter(plane, -1, (side, side), borderType=cv2.BORDER_REPLICATE)


def _sharpen(alpha: np.ndarray, colour: list[np.ndarray]) -> np.ndarray:
    """Alpha moved half a Newton step towards |I - alpha F - (1 - alpha) B|² + E (da)² = min.

    F and B are the local mean colours of either side, corrected as in blur-fusion (Forte & Pitie,
    ICIP 2021); the prior E grows with the variance of either side's colours, so a texture
    moves nothing.
    """
    radius, tiny = 2, np.float32(1e-4)
    rest = 1 - alpha
    fore, back = _box(alpha, radius), 1 - _box(alpha, radius)
    fore, back = 1 / (fore + tiny), 1 / (back + tiny)
    gap = np.zeros_like(alpha)  # |F - B|²
    pull = np.zeros_like(alpha)  # (F - B) · (I - alpha F - (1 - alpha) B)
    noise = np.zeros_like(alpha)
    for value in colour:
        weighted, square = alpha * value, value * value
        part, whole = _box(weighted, radius), _box(value, radius)
        f, b = (part + tiny * value) * fore, (whole - part + tiny * value) * back
        left = value - alpha * f - rest * b
        difference = f - b + (alpha - rest) * left
        gap += difference * difference
        pull += difference * left
        part, whole = _box(weighted * value, radius), _box(square, radius)
        noise += alpha * alpha * np.maximum((part + tiny * square) * fore - f * f, 0)
        noise += rest * rest * np.maximum((whole - part + tiny * square) * back - b * b, 0)
    # The residual after the correction is 2 alpha (1 - alpha) of the one before; half of it here.
    step = alpha * rest * pull / (gap + noise + np.float32(0.03))
    return np.clip(alpha + step, 0, 1)


def _fit(alpha: np.ndarray, colour: list[np.ndarray]) -> list[np.ndarray]:
    """Slopes of the least-squares colour line in each 3×3 window, with ridge 0.001 on them."""
    ridge = np.float32(1e-3)
    mean = [_box(value, 1) for value in colour]
    middle = _box(alpha, 1)

    def covariance(i: int, j: int) -> np.ndarray:
        return _box(colour[i] * colour[j], 1) - mean[i] * mean[j]

    rr, gg, bb = (np.maximum(covariance(i, i), 0) + ridge for i in range(3))
    rg, rb, gb = covariance(0, 1), covariance(0, 2), covariance(1, 2)
    r, g, b = (_box(c * alpha, 1) - m * middle for c, m in zip(colour, mean))
    # The inverse of the symmetric 3×3 matrix by cofactors.
    c00, c01, c02 = gg * bb - gb * gb, gb * rb - rg * bb, rg * gb - gg * rb
    c11, c12, c22 = rr * bb - rb * rb, rg * rb - rr * gb, rr * gg - rg * rg
    inverse = 1 / (rr * c00 + rg * c01 + rb * c02)
    return [
        (c00 * r + c01 * g + c02 * b) * inverse,
        (c01 * r + c11 * g + c12 * b) * inverse,
        (c02 * r + c12 * g + c22 * b) * inverse,
    ]


def _runs(kinds: np.ndarray) -> Iterator[tuple[int, int]]:
    """Start and stop of each run of equal values."""
    cuts = np.flatnonzero(kinds[1:] != kinds[:-1]) + 1
    return zip([0, *cuts.tolist()], [*cuts.tolist(), len(kinds)])


def _span(first: int, last: int, small: int, large: int) -> tuple[int, int]:
    """The photo pixels whose centres lie in working-size pixels `first` to `last`."""
    return (2 * first * large + small) // (2 * small), (2 * last * large + small) // (2 * small)


def _bicubic(top: int, bottom: int, rows: int, height: int) -> tuple[slice, np.ndarray]:
    """Rows needed for photo rows `top` to `bottom`, and their weights ``[bottom - top, n]``.

    The same positions (half-pixel centres), kernel (Keys, a = -0.75) and borders as
    `cv2.resize`, which can only start at an image's edge.
    """
    centre = (np.arange(top, bottom) + 0.5) * (rows / height) - 0.5
    base = np.floor(centre).astype(np.int64)
    at = centre - base
    start, stop = max(int(base[0]) - 1, 0), min(int(base[-1]) + 3, rows)
    weights = np.zeros((bottom - top, stop - start), np.float32)
    lines = np.arange(bottom - top)
    for tap in (-1, 0, 1, 2):
        d = np.abs(at - tap)
        inner = (1.25 * d - 2.25) * d * d + 1
        outer = ((-0.75 * d + 3.75) * d - 6) * d + 3
        weights[lines, np.clip(base + tap, start, stop - 1) - start] += np.where(
            d < 1, inner, outer
        ).astype(np.float32)
    return slice(start, stop), weights


def _widen(plane: np.ndarray, width: int) -> np.ndarray:
    return cv2.resize(plane, (width, plane.shape[0]), interpolation=cv2.INTER_CUBIC)


def _apply(planes: list[np.ndarray], rgb: np.ndarray) -> np.ndarray:
    """alpha = a R + b G + c B + d, clipped, for planes at the size of this part of the photo."""
    total = planes[3]
    for slope, channel in zip(planes, cv2.split(np.ascontiguousarray(rgb))):
        total += cv2.multiply(slope, channel, dtype=cv2.CV_32F)
    return np.clip(total, 0, 1, out=total)
