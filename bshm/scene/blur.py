"""The photo's own background out of focus, with nothing of the person in it.

A lens blurs light: so this is done in linear light, with a disc, which a lens makes of a point,
and highlights that the photo cut off at white get some of their light back first, so that they
bloom. No colour of the person's spreads: what is background is a mean of background pixels alone,
and what the person hides of it is made up first, for the disc at the person's edge sees it.

Where the person stands on the ground, the ground at the feet is as far away as the person, and as
sharp. Of a plane seen in perspective the blur grows in proportion to the height in the picture
above (or below) the feet, up to the horizon; so it does here.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from bshm import planes
from bshm.scene import grids, tones

WIDEST = 0.04  # of the photo's diagonal: radius of the disc at strength 1
DISC = 7  # cells: about the radius at which the disc is applied
CLEAR = 0.02  # alpha under which a pixel is background
HIGHLIGHT = 0.75  # of linear light: what is brighter was cut off in part
BLOOM = 2.5  # times as bright a white pixel is taken to have been
ENOUGH = 0.3  # of a cell that is background: less of it tells less
LEVELS = 3  # discs between sharp and full where blur grows from the feet upwards

# Factor of linear light by the least of R, G and B: what is white was cut off.
_OVER = np.maximum(tones.TO_LINEAR - HIGHLIGHT, 0) / (1 - HIGHLIGHT)
_MORE = (1 + (BLOOM - 1) * _OVER**2).astype(np.float32)


class Ground(NamedTuple):
    """Rows of the picture, in shares of its height: feet and horizon."""

    feet: float
    horizon: float


def blur(
    rgb: np.ndarray, alpha: np.ndarray, strength: float, ground: Ground | None = None
) -> np.ndarray:
    """The background of a photo out of focus, person left out: uint8 ``[H, W, 3]``.

    rgb: the photo, uint8 ``[H, W, 3]``; alpha: float32 ``[H, W]`` in 0-1; strength: 0-1
    ground: where the person stands in the frame; None blurs all alike
    """
    height, width = alpha.shape
    radius = max(strength * WIDEST * float(np.hypot(height, width)), 1.0)
    radii = [radius] if ground is None else [radius * (n + 1) / LEVELS for n in range(LEVELS)]
    sharpest = _shrunk(rgb, alpha, max(1.0, radii[0] / DISC))
    levels = [_disc(sharpest, one, alpha.shape) for one in radii]
    if ground is None:
        return _grow(levels[0], height, width)
    depth = _depth(ground, height) * LEVELS
    out = np.empty_like(rgb)
    for part in planes.stripes(height, width):
        out[part] = _between(rgb, alpha, levels, depth, part)
    return out


def _depth(ground: Ground, height: int) -> np.ndarray:
    """Share of the full blur in each row, 0-1."""
    at = (np.arange(height, dtype=np.float32) + 0.5) / height
    span = max(ground.feet - ground.horizon, 1e-3)
    return np.clip(np.abs(ground.feet - at) / span, 0, 1)


def _between(
    rgb: np.ndarray,
    alpha: np.ndarray,
    levels: list[np.ndarray],
    depth: np.ndarray,
    part: slice,
) -> np.ndarray:
    """Rows of the photo, each between the two levels of blur that its depth lies between."""
    share, width = depth[part], alpha.shape[1]
    out = np.zeros((len(share), width, 3), np.float32)
    for number in range(int(share.min()), min(int(np.ceil(share.max())), LEVELS) + 1):
        weight = np.maximum(1 - np.abs(share - number), 0)
        if not weight.any():
            continue
        if number:
            pixels = grids.grow(levels[number - 1], alpha.shape, (part, slice(0, width)))
        else:
            pixels = _sharp(rgb, alpha, levels[0], part)
        out += pixels * weight[:, None, None]
    return cv2.convertScaleAbs(out)


def _sharp(rgb: np.ndarray, alpha: np.ndarray, first: np.ndarray, part: slice) -> np.ndarray:
    """The photo itself; at and in the person, where it shows none of it, the least blur."""
    reach = 3  # pixels
    near = slice(max(part.start - reach, 0), part.stop + reach)
    person = cv2.dilate((alpha[near] > CLEAR).astype(np.float32), np.ones((2 * reach + 1,) * 2))
    person = cv2.blur(person, (reach, reach))[part.start - near.start :][: part.stop - part.start]
    soft = grids.grow(first, alpha.shape, (part, slice(0, alpha.shape[1])))
    return cv2.blendLinear(soft, rgb[part], person, 1 - person)


def _disc(
    sharpest: tuple[np.ndarray, np.ndarray], radius: float, shape: tuple[int, ...]
) -> np.ndarray:
    """Means of the background under a disc, coded uint8, at a size where the disc is small."""
    size = tuple(max(2, round(side / max(1.0, radius / DISC))) for side in shape)
    light = _behind(*(grids.shrink(plane, size) for plane in sharpest))
    kernel = _kernel(radius * size[1] / shape[1])
    planes = [
        cv2.filter2D(plane, -1, kernel, borderType=cv2.BORDER_REFLECT) for plane in cv2.split(light)
    ]
    return tones.to_coded(cv2.merge(planes))


def _behind(light: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The background's linear light, also where the person hides it: sums, their weights -> means.

    As far behind the person's edge as a disc sees, lines of the background are carried on
    (Bertalmio et al. 2001, Navier-Stokes); further in, ever wider means are enough.
    """
    hidden = (weight < ENOUGH).astype(np.uint8)
    means = _fill(light, weight)
    seen = cv2.dilate(1 - hidden, np.ones((4 * DISC + 1,) * 2, np.uint8))
    near = cv2.bitwise_and(hidden, seen)
    if not near.any():
        return means
    coded = cv2.inpaint(tones.to_coded(means / BLOOM), near, 3, cv2.INPAINT_NS)
    near = near.astype(bool)
    means[near] = tones.to_linear(coded[near]) * np.float32(BLOOM)
    return means


def _shrunk(rgb: np.ndarray, alpha: np.ndarray, shrink: float) -> tuple[np.ndarray, np.ndarray]:
    """Means over cells: the background's linear light, 0 elsewhere, and its share of the cell."""
    height, width = alpha.shape
    rows, columns = max(2, round(height / shrink)), max(2, round(width / shrink))
    light = np.empty((rows, columns, 3), np.float32)
    weight = np.empty((rows, columns), np.float32)
    # In stripes of whole cells, so that no second photo in floats is made.
    step = max(1, int((1 << 19) / width / shrink))
    for top in range(0, rows, step):
        bottom = min(top + step, rows)
        part = slice(round(top * height / rows), round(bottom * height / rows))
        size = (bottom - top, columns)
        clear = _background(alpha, part)
        clear = clear.astype(np.float32) * np.float32(1 / 255)
        weight[top:bottom] = grids.shrink(clear, size)
        light[top:bottom] = grids.shrink(_bright(rgb[part]) * cv2.merge([clear] * 3), size)
    return light, weight


def _background(alpha: np.ndarray, part: slice) -> np.ndarray:
    """Which pixels of some rows are background, 0 or 255; not those right beside the person."""
    around = slice(max(part.start - 1, 0), part.stop + 1)
    clear = cv2.inRange(alpha[around], -1.0, CLEAR)
    clear = cv2.erode(clear, np.ones((3, 3), np.uint8), borderType=cv2.BORDER_REPLICATE)
    return clear[part.start - around.start :][: part.stop - part.start]


def _bright(rgb: np.ndarray) -> np.ndarray:
    """Linear light; highlights, cut off at 1 by the photo, with some of what they had."""
    red, green, blue = cv2.split(rgb)
    more = cv2.LUT(cv2.min(cv2.min(red, green), blue), _MORE)
    return tones.to_linear(rgb) * cv2.merge([more] * 3)


def _kernel(radius: float) -> np.ndarray:
    """A disc with an edge one cell wide; its sum is 1."""
    reach = int(np.ceil(radius))
    across = np.arange(-reach, reach + 1, dtype=np.float32)
    far = np.sqrt(across[None] ** 2 + across[:, None] ** 2)
    disc = np.clip(radius + 0.5 - far, 0, 1)
    return disc / disc.sum()


def _fill(sums: np.ndarray, total: np.ndarray) -> np.ndarray:
    """Sums over their weights; where weights are low, those of coarser levels join in."""
    if min(total.shape) > 2:
        size = (max(1, total.shape[1] // 2), max(1, total.shape[0] // 2))
        coarse = _fill(
            cv2.resize(sums, size, interpolation=cv2.INTER_AREA),
            cv2.resize(total, size, interpolation=cv2.INTER_AREA),
        )
        below = cv2.resize(coarse, total.shape[::-1], interpolation=cv2.INTER_LINEAR)
    else:
        below = np.empty_like(sums)
        below[:] = sums.sum((0, 1)) / max(float(total.sum()), 1e-6)
    share = np.minimum(total / np.float32(ENOUGH), 1)[..., None]
    return below + share * (sums / np.maximum(total, 1e-6)[..., None] - below)


def _grow(small: np.ndarray, height: int, width: int) -> np.ndarray:
    """A small picture, smooth as it is, at full size."""
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
