"""Light: the person as the new scene would show them.

The photo's old background is the light probe: it stood in the same light as the person. What tells
it from the new background (exposure, white balance, contrast, black point, saturation) is what the
person lacks, or has too much of. But a background also differs in what stands in it: of 2,170
photos, one whose background is 1 EV brighter shows its person only 0.1 EV brighter. So `fit` asks
a network that was shown many photos (`match`). `estimate` is the closed form, for photos that show
the network too little.

Statistical sources of the choice: Xue et al., "Understanding and Improving the Realism of Image
Composites" (SIGGRAPH 2012): luminance, colour temperature, saturation, contrast, in that order;
Ferwerda et al. (CIC 2010): observers see wrong intensities first, wrong directions hardly.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from bshm.scene import grids, match, shares, tones

SIDE = 192  # pixels: long side of the pictures that are measured
NEAR_GREY = 0.35  # EV off the line of daylight and lamps: beyond, a pixel tells of paint, not light
FAR = 1.2  # EV along that line
DOUBT = 0.05  # of the pixels: as many count as neutral beforehand

# The part of each difference that is taken over, up to its limit of `match.LIMITS`.
PARTS = match.Difference(0.55, 0.5, 0.25, 0.3, 0.5, 0.4)
ACROSS = (0.25, 0.15)  # part and limit, EV, between left and right, and between top and bottom

# RMS of coded values by which the network would change the person: below the one it errs as much,
# from the other on it is right. Of photos it was trained on, 7 % are made worse so.
SMALL, LARGE = 8.0, 11.0
FEW = 0.01  # of the pixels: what is less tells nothing
SOLID = 0.95  # of a pixel: what is less is a mixture
GREY = -4.2  # of `Probe.saturation`: below, the photo is black and white, and stays so
DEEPEST = 0.12  # of coded values: a background whose darkest is brighter holds nothing black
WRAP = 0.35  # of what a brighter background adds at the person's very edge


class Probe(NamedTuple):
    """What light a picture shows; differences of two probes are what counts."""

    exposure: float = 0.0  # EV: mean luminance
    warmth: float = 0.0  # EV: red against blue, of what may be grey
    tint: float = 0.0  # EV: green against both
    spread: float = 0.0  # log2 of the range of coded luma that holds 80 % of the pixels
    black: float = 0.0  # coded luma that 2 % of the pixels stay below
    saturation: float = 0.0  # log2 of the mean of max - min of R, G, B
    right: float = 0.0  # EV: right side against left
    top: float = 0.0  # EV: upper half against lower


class Light(NamedTuple):
    """What is done to the person's colours; all 0 changes nothing."""

    exposure: float = 0.0  # EV
    warmth: float = 0.0  # EV: red up by half of it, blue down by half
    tint: float = 0.0  # EV: green up
    contrast: float = 0.0  # log2 of the slope around middle grey, of coded values
    black: float = 0.0  # lift of black, of coded values
    saturation: float = 0.0  # log2 of the factor
    right: float = 0.0  # EV: right edge of the person against the left one
    top: float = 0.0  # EV: top against bottom
    wrap: float = 0.0  # 0-1: how much of a brighter background spills over the edges


def bend(difference: float, part: float, limit: float) -> float:
    """``part`` of a small difference, never more than ``limit`` of a large one."""
    return limit * math.tanh(part * difference / limit)


def probe(rgb: np.ndarray, weight: np.ndarray | None = None) -> Probe:
    """What light a picture shows.

    rgb: uint8 ``[H, W, 3]``; weight: ``[H, W]`` in 0-1, such as 1 - alpha for the background of a
    photo; None counts every pixel. Where hardly any pixel counts, the probe of middle grey.
    """
    size = measured(rgb.shape)
    rgb = grids.shrink(rgb, size)
    if weight is None:
        weight = np.ones(rgb.shape[:2], np.float32)
    else:
        weight = grids.shrink(np.asarray(weight, np.float32), size)
        weight = np.where(weight > SOLID, weight, 0)  # mixed pixels tell of the person
    if weight.sum() < FEW * weight.size:
        return Probe()
    linear = tones.to_linear(rgb)
    bright = tones.luminance(linear)
    warmth, tint = _white(linear, bright, weight)
    luma = np.sort(tones.encode(bright)[weight > 0])
    low, high, black = (float(luma[int(at * (len(luma) - 1))]) for at in (0.1, 0.9, 0.02))
    red, green, blue = np.moveaxis(rgb, 2, 0).astype(np.float32)
    colour = np.maximum(np.maximum(red, green), blue) - np.minimum(np.minimum(red, green), blue)
    right, top = _sides(bright, weight)
    return Probe(
        exposure=math.log2(np.average(bright, weights=weight) + match.DARK),
        warmth=warmth,
        tint=tint,
        spread=math.log2(high - low + 0.1),
        black=min(black, DEEPEST),
        saturation=math.log2(np.average(colour, weights=weight) / 255 + 0.05),
        right=right,
        top=top,
    )


def parse(value: str | float | None) -> float | None:
    """``off``, ``auto`` (None), or 0 to 1: how far people follow the light. Raises ValueError."""
    word = value.strip().lower() if isinstance(value, str) else value
    if word is None or word == "auto":
        return None
    return 0.0 if word == "off" else shares.parse(word, "auto, off or a light", (0, 1))


def fit(
    rgb: np.ndarray,
    alpha: np.ndarray,
    behind: np.ndarray,
    strength: float = 1.0,
    cover: np.ndarray | None = None,
) -> Light:
    """What turns the person of a photo to the light of a scene.

    rgb: the photo, uint8 ``[H, W, 3]``; alpha: its matte in 0-1, of any size; behind: the scene,
        uint8 RGB of any size; strength: 0-1; cover: its alpha, uint8, where it is not opaque

    What is transparent in the scene sheds no light, and a scene of little else none at all.

    Sides come from the probes; exposure, white balance and the like from a network that sees more
    than means, or from the probes, too, where the photo has too little background or person for it.
    """
    size = measured(rgb.shape)
    rgb, alpha = grids.shrink(rgb, size), grids.shrink(alpha, size)
    behind = grids.shrink(behind, measured(behind.shape))
    shown: np.ndarray = np.ones(behind.shape[:2], np.float32)
    if cover is not None:
        shown = grids.shrink(cover, shown.shape) / np.float32(255)
    there = behind[shown > SOLID]
    if len(there) < FEW * shown.size:
        return Light()
    old = probe(rgb, 1 - alpha)
    light = estimate(old, probe(behind, shown))
    free, person = rgb[alpha < 0.05], rgb[alpha > 0.9]
    if min(len(free), len(person)) > FEW * alpha.size:
        told = _keep_grey(between(free, there, person), old)
        light = told._replace(right=light.right, top=light.top, wrap=light.wrap)
    return _scaled(light, strength)


def between(old: np.ndarray, new: np.ndarray, person: np.ndarray) -> Light:
    """What a network makes of two backgrounds and a person: uint8 pixels ``[N, 3]`` of each.

    Of a change that would hardly be larger than its error nothing is done, of a large one all.
    """
    seen = (match.statistics(pixels) for pixels in (old, new, person))
    told = Light(**match.difference(*seen)._asdict())
    some = person[:: max(1, len(person) // 4096)]
    change = float(np.sqrt(((relit(some, told) - some) ** 2).mean()))
    return _scaled(told, min(max((change - SMALL) / (LARGE - SMALL), 0.0), 1.0))


def relit(rgb: np.ndarray, light: Light) -> np.ndarray:
    """Pixels uint8 ``[..., 3]`` in another light, without sides and wrap: float32, coded 0-255."""
    levels = table(light)
    lit = np.stack([levels[rgb[..., c], c] for c in range(3)], -1)
    return np.clip(lit @ saturation_matrix(light).T, 0, 255)


def estimate(old: Probe, new: Probe, strength: float = 1.0) -> Light:
    """What turns a person from the light of ``old`` to that of ``new``; strength 0-1."""
    apart = match.Difference(
        exposure=new.exposure - old.exposure,
        warmth=new.warmth - old.warmth,
        tint=new.tint - old.tint,
        contrast=new.spread - old.spread,
        black=new.black - old.black,
        saturation=new.saturation - old.saturation,
    )
    taken = match.Difference(*map(bend, apart, PARTS, match.LIMITS))
    light = Light(
        **taken._asdict(),
        right=bend(new.right, *ACROSS),
        top=bend(new.top, *ACROSS),
        wrap=WRAP,
    )
    return _scaled(_keep_grey(light, old), strength)


def _keep_grey(light: Light, old: Probe) -> Light:
    """The light without its colours where the photo, as its probe shows, has none."""
    if old.saturation < GREY:
        return light._replace(warmth=0.0, tint=0.0, saturation=0.0)
    return light


def _scaled(light: Light, share: float) -> Light:
    return Light(*(share * value for value in light))


def table(light: Light) -> np.ndarray:
    """What exposure, white balance, contrast and black make of coded values: float32 ``[256, 3]``.

    Coded 0-255 in and out. Red, green and blue keep their common luminance under warmth and tint.
    """
    gains = np.exp2(np.array([light.warmth / 2, light.tint, -light.warmth / 2], np.float32))
    gains /= gains @ tones.LUMA
    gains *= np.float32(2**light.exposure)
    coded = tones.encode(_shoulder(tones.TO_LINEAR[:, None], gains))
    # Around middle grey, by a curve that leaves black and white where they are.
    slope = np.float32(2**light.contrast)
    coded = coded**slope / (coded**slope + (1 - coded) ** slope)
    return (light.black + (1 - light.black) * coded) * np.float32(255)


def saturation_matrix(light: Light) -> np.ndarray:
    """Float32 ``[3, 3]``: R, G, B -> the same, further from or nearer to their own grey."""
    factor = np.float32(2**light.saturation)
    return np.eye(3, dtype=np.float32) * factor + (1 - factor) * tones.LUMA


def _shoulder(linear: np.ndarray, gains: np.ndarray) -> np.ndarray:
    """``gains linear``; of gains over 1, what comes near white is bent so that white stays white.

    From the knee on ``m t / (1 + (m - 1) t)``: it begins with the gain's own slope, ends at 1.
    """
    knee = np.float32(0.3)  # of linear light: below, nothing is bent; higher, skin turns yellow
    lit = gains * linear
    over = np.maximum(lit - knee, 0) / np.maximum(gains - knee, 1e-6)
    steep = (gains - knee) / (1 - knee)
    bent = knee + (1 - knee) * steep * over / (1 + (steep - 1) * over)
    return np.where((gains > 1) & (lit > knee), bent, lit)


def measured(shape: tuple[int, ...]) -> tuple[int, int]:
    """Rows and columns of a picture once it is measured."""
    shrink = min(1.0, SIDE / max(shape[:2]))
    return max(1, round(shape[0] * shrink)), max(1, round(shape[1] * shrink))


def _white(linear: np.ndarray, bright: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    """Warmth and tint of what may be grey under some daylight or lamp.

    Those lights lie near one line: red against blue, green in between. Pixels off the line are
    paint or leaves and hardly count, nor do dark ones, nor clipped ones.
    """
    red, green, blue = (np.log2(linear[..., c] + match.DARK) for c in range(3))
    warmth, tint = red - blue, green - (red + blue) / 2
    odd = (tint / NEAR_GREY) ** 2 + (warmth / FAR) ** 2
    weight = weight * np.sqrt(bright) * (linear < 0.98).all(axis=2)
    total = DOUBT * weight.sum() + 1e-6
    weight *= np.exp(-odd)
    total += weight.sum()
    return float((warmth * weight).sum() / total), float((tint * weight).sum() / total)


def _sides(bright: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    """EV of the right half against the left, of the upper against the lower."""

    def level(part: tuple[slice, slice]) -> float:
        total = weight[part].sum()
        return math.log2((bright[part] * weight[part]).sum() / (total + 1e-6) + 0.02)

    height, width = bright.shape
    if min(height, width) < 2 or not weight.all():
        return 0.0, 0.0
    everything = slice(None)
    left = level((everything, slice(0, width // 2)))
    right = level((everything, slice(width - width // 2, None)))
    upper = level((slice(0, height // 2), everything))
    lower = level((slice(height - height // 2, None), everything))
    return right - left, upper - lower
