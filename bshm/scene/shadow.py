"""Shadow: what the person takes from the light around.

Three parts (contact, ambient occlusion, cast shadow) where somebody stands in the frame, and a
soft one on a wall behind for people whom the frame cuts off, for they have no ground. A shadow
multiplies what it falls on, each channel by the share of light that is left there: the light of
the sky and the surroundings still comes in, and it has a colour. It is never black paint.

All is reckoned on a small grid, in units of the person's height, from the matte alone.
"""

from __future__ import annotations

import math
from typing import Callable, Iterator, NamedTuple

import cv2
import numpy as np

from bshm import planes
from bshm.scene import grids, tones
from bshm.scene.light import Light

KINDS = ("auto", "none", "contact", "cast", "drop")

AZIMUTH = 220.0  # degrees: 0 lights from behind the person, 90 from the right, 180 from the camera
TURN = 40.0  # degrees: how far aside of the camera the light stands; right behind it, the shadow
# hides behind the person
EVEN = 0.02  # EV: a scene that is no brighter on the right than that is lit from the left
ELEVATION = 50.0  # degrees above the horizon
SOFTNESS = 0.5  # 0-1
LEVEL = 0.35  # how much of their length the picture shows of shadows towards or away from us
FLAT = 0.06  # at least this much, for a body is no line

# Opacity of each part where none was asked for.
CONTACT, OCCLUSION, CAST, WALL, DROP = 0.85, 0.45, 0.55, 0.18, 0.4

FLOOR = 0.15  # of the light: what is left where no direct light comes, at opacity 1
SPECK = 0.03  # of the largest person's area: what is smaller casts nothing
FOOT = 0.07  # of the height: what comes as near to the ground stands on it
STEEP = 0.3  # slope that a line from foot to foot may have
SEEN = 1 / 64  # of the light: where a shadow takes no more, it has come to its end
FARTHEST = 4.0  # heights of the frame that it grows at most on one side
TIP = 0.7  # share of the cast shadow's opacity that is lost at its tip
BANDS = (0.0, 0.1, 0.3, 0.6, 1.0)  # of the height, where the cast shadow's blur is reckoned


class Wish(NamedTuple):
    """What was asked for; None leaves it to `estimate`."""

    kind: str = "auto"
    azimuth: float | None = None  # degrees
    elevation: float | None = None  # degrees
    softness: float | None = None  # 0-1
    opacity: float | None = None  # 0-1


class Shadow(NamedTuple):
    """Numbers that a shadow is made of; all 0 casts none."""

    contact: float = 0.0  # opacity, 0-1, of what is right under the feet
    occlusion: float = 0.0  # of the dimness around them
    cast: float = 0.0  # of the shadow on the ground
    wall: float = 0.0  # of the shadow on what is behind
    azimuth: float = AZIMUTH
    elevation: float = ELEVATION
    softness: float = SOFTNESS
    red: float = FLOOR  # of the light that is left in the deepest shadow
    green: float = FLOOR
    blue: float = FLOOR


class Person(NamedTuple):
    """One person in a matte, or several who touch: their share of it and the line they stand on."""

    alpha: np.ndarray  # float32, as large as the grid
    height: float  # cells
    level: float  # row of the line at column 0
    slope: float  # rows a column
    stands: bool  # False where the frame cuts the person off below


def parse(text: str) -> Wish:
    """``KIND[:NAME=VALUE,...]``, such as ``cast:azimuth=120,opacity=0.5``.

    Raises ValueError, with what was expected.
    """
    kind, _, rest = text.strip().lower().partition(":")
    if kind not in KINDS:
        raise ValueError("%s: expected one of %s" % (text, ", ".join(KINDS)))
    if kind == "none" and rest:
        raise ValueError("%s: there is nothing of it to be different" % text)
    limits = {"azimuth": (0, 360), "elevation": (5, 90), "softness": (0, 1), "opacity": (0, 1)}
    found = {}
    for part in filter(None, rest.split(",")):
        name, _, value = part.partition("=")
        if name.strip() not in limits:
            raise ValueError("%s: expected NAME=VALUE of %s" % (part, ", ".join(limits)))
        low, high = limits[name.strip()]
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not low <= number <= high:
            raise ValueError("%s: expected a number from %d to %d" % (part, low, high))
        found[name.strip()] = number
    return Wish(kind, **found)


def estimate(wish: Wish, alpha: np.ndarray, light: Light, behind: np.ndarray | None) -> Shadow:
    """The numbers of a shadow.

    alpha: the matte as it stands in the picture, ``[H, W]``, any size
    light: its side is where the light comes from
    behind: what the shadow falls on, uint8 RGB, any size; None where that is transparent
    """
    if wish.kind == "none":
        return Shadow()
    size = grids.grid_size(*alpha.shape)
    stands = any(one.stands for one in people(grids.shrink(alpha, size)))
    parts = {}
    strength = 1.0
    if wish.kind == "drop" or (wish.kind == "auto" and not stands):
        parts["wall"] = DROP if wish.kind == "drop" else WALL
        strength = parts["wall"]
    elif stands:
        parts.update(contact=CONTACT, occlusion=OCCLUSION)
        strength = CONTACT
        if wish.kind != "contact":
            parts["cast"] = strength = CAST
    if wish.opacity is not None:
        parts = {name: min(1.0, part * wish.opacity / strength) for name, part in parts.items()}
    azimuth = wish.azimuth
    if azimuth is None:  # the light stands behind the camera, on the scene's brighter side
        azimuth = 180.0 - TURN if light.right > EVEN else 180.0 + TURN
    red, green, blue = _left(behind)
    return Shadow(
        **parts,
        azimuth=azimuth,
        elevation=ELEVATION if wish.elevation is None else wish.elevation,
        softness=SOFTNESS if wish.softness is None else wish.softness,
        red=red,
        green=green,
        blue=blue,
    )


def lacks_ground(wish: Wish, found: Shadow) -> bool:
    """Whether a shadow on the ground was asked for, of people who do not stand in the frame."""
    return wish.kind in ("contact", "cast") and wish.opacity != 0 and not any(found[:4])


def _left(behind: np.ndarray | None) -> tuple[float, float, float]:
    """Share of the light that a deep shadow keeps: `FLOOR` on the whole, of the scene's colour."""
    if behind is None:
        return FLOOR, FLOOR, FLOOR
    mean = tones.to_linear(grids.shrink(behind, (32, 32))).mean((0, 1)) + 0.02
    colour = np.sqrt(mean / (mean @ tones.LUMA))  # the root: not all of it is the light's
    red, green, blue = np.clip(FLOOR * colour, FLOOR / 2, FLOOR * 2)
    return float(red), float(green), float(blue)


def people(alpha: np.ndarray) -> Iterator[Person]:
    """Who is in a small matte, and where they stand."""
    solid = (alpha > 0.5).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(solid, connectivity=8)
    if count < 2:
        return
    largest = stats[1:, cv2.CC_STAT_AREA].max()
    for label in range(1, count):
        if stats[label, cv2.CC_STAT_AREA] < SPECK * largest:
            continue
        mine = (labels == label).astype(np.uint8)
        around = cv2.dilate(mine, np.ones((5, 5), np.uint8))
        top, high = stats[label, cv2.CC_STAT_TOP], stats[label, cv2.CC_STAT_HEIGHT]
        level, slope = _ground(mine, float(high))
        stands = top + high < alpha.shape[0] - max(1, round(0.01 * alpha.shape[0]))
        yield Person(alpha * around, float(high), level, slope, bool(stands))


def _ground(mine: np.ndarray, height: float) -> tuple[float, float]:
    """Row at column 0 and slope of the line that somebody stands on: from foot to foot."""
    rows = len(mine)
    columns = np.flatnonzero(mine.any(axis=0))
    lowest = rows - np.argmax(mine[::-1, columns], axis=0)  # below the last pixel
    standing = lowest >= lowest.max() - FOOT * height
    columns, lowest = columns[standing], lowest[standing]
    if np.ptp(columns) < 0.1 * height:
        return float(lowest.max()), 0.0
    slope, _level = np.polyfit(columns, lowest, 1)
    slope = float(np.clip(slope, -STEEP, STEEP))
    return float((lowest - slope * columns).mean()), slope


def darkness(shadow: Shadow, alpha: np.ndarray) -> np.ndarray:
    """How much of the direct light is taken, 0-1, on the grid of a small matte: float32.

    alpha: float32, as `grids.shrink` makes it
    """
    light = np.ones_like(alpha)  # shadows of several lights and people multiply
    if not (shadow.contact or shadow.occlusion or shadow.cast or shadow.wall):
        return 1 - light
    soft = shadow.softness / SOFTNESS
    for one in people(alpha):
        if shadow.wall:
            light *= 1 - shadow.wall * _at_half(_wall, one, shadow, soft)
        if not one.stands:
            continue
        if shadow.cast:
            light *= 1 - shadow.cast * _at_half(_cast, one, shadow, soft)
        if shadow.occlusion:
            light *= 1 - shadow.occlusion * _occlusion(one)
        if shadow.contact:
            light *= 1 - shadow.contact * _contact(one, soft)
    return 1 - light


def _at_half(
    part: Callable[[Person, Shadow, float], np.ndarray], one: Person, shadow: Shadow, soft: float
) -> np.ndarray:
    """A soft part, reckoned on half as many rows and columns."""
    rows, columns = one.alpha.shape
    small = grids.shrink(one.alpha, (-(-rows // 2), -(-columns // 2)))
    half = one._replace(alpha=small, height=one.height / 2, level=one.level / 2)
    return cv2.resize(part(half, shadow, soft), (columns, rows))


def gains(shadow: Shadow, dark: np.ndarray) -> np.ndarray:
    """Factors for coded values of what a shadow falls on: ``[H, W]`` -> float32 ``[H, W, 3]``."""
    left = np.array([shadow.red, shadow.green, shadow.blue], np.float32)
    steps = np.linspace(0, 1, 1024, dtype=np.float32)[:, None]
    table = (1 - steps * (1 - left)) ** np.float32(1 / tones.GAMMA)
    return table[(dark * 1023 + 0.5).astype(np.uint16)]


def reach(shadow: Shadow, alpha: np.ndarray) -> tuple[float, float, float, float]:
    """How far a shadow leaves the frame: left, top, right, bottom, in shares of width and height.

    Where the frame cuts the person off, the shadow ends there, too.
    """
    rows, columns = alpha.shape
    edges = (alpha[:, 0], alpha[0], alpha[:, -1], alpha[-1])
    tallest = max((one.height for one in people(alpha)), default=0.0)
    side, down = _run(shadow)
    spread = 0.25 + 0.25 * shadow.softness / SOFTNESS  # of the height: what blur may add
    far = [
        min(FARTHEST, spread + shift * bool(shadow.cast)) * tallest
        for shift in (max(-side, 0), max(-down, 0), max(side, 0), max(down, 0))
    ]
    room = [0 if edge.max() > 0.5 else round(cells) for edge, cells in zip(edges, far)]
    left, top, right, bottom = room
    wide = cv2.copyMakeBorder(alpha, top, bottom, left, right, cv2.BORDER_CONSTANT, value=0)
    seen = darkness(shadow, wide) > SEEN
    dark = planes.box(seen)
    if dark is None:
        return 0.0, 0.0, 0.0, 0.0
    out = (
        left - dark.left,
        top - dark.top,
        dark.right - left - columns,
        dark.bottom - top - rows,
    )
    return tuple(max(0, cells) / side for cells, side in zip(out, (columns, rows) * 2))


def _heights(one: Person) -> np.ndarray:
    """Cells above the line that the person stands on, for the middle of each cell."""
    rows, columns = (np.arange(side, dtype=np.float32) + 0.5 for side in one.alpha.shape)
    return (one.level + one.slope * columns)[None] - rows[:, None]


def _run(shadow: Shadow) -> tuple[float, float]:
    """How far a shadow runs to the right and down the picture, in heights of the person."""
    length = 1 / math.tan(math.radians(shadow.elevation))
    side = -length * math.sin(math.radians(shadow.azimuth))
    down = length * math.cos(math.radians(shadow.azimuth)) * LEVEL
    return side, down if abs(down) >= FLAT else math.copysign(FLAT, down)


def _cast(one: Person, shadow: Shadow, soft: float) -> np.ndarray:
    """The matte laid on the ground, softer and fainter the further from the feet.

    Of height h above the ground, ``x' = x + s h`` and ``y' = y0(x) + v h``: s is how far the
    shadow runs to the side, v how far down the picture, which shows `LEVEL` of it.
    """
    side, down = _run(shadow)
    a, b = one.level, one.slope
    move = np.array(
        [[1 + side * b, -side, side * a], [b * (1 + down), -down, a * (1 + down)]], np.float64
    )
    back = cv2.invertAffineTransform(move)
    rows, columns = one.alpha.shape
    y = np.arange(rows, dtype=np.float32)[:, None] + 0.5
    x = np.arange(columns, dtype=np.float32)[None] + 0.5
    from_x = back[0, 0] * x + back[0, 1] * y + back[0, 2]
    from_y = back[1, 0] * x + back[1, 1] * y + back[1, 2]
    share = ((a + b * from_x - from_y) / one.height).astype(
        np.float32
    )  # of the height, by where it falls
    upright = one.alpha * (_heights(one) > 0)
    move[:, 2] += move[:, :2] @ [0.5, 0.5] - 0.5  # from corners of cells to their middles
    laid = cv2.warpAffine(upright, move, (columns, rows), flags=cv2.INTER_LINEAR)
    out = np.zeros_like(laid)
    for band, before, after in zip(BANDS, (-1.0, *BANDS), (*BANDS[1:], 2.0)):
        near = np.minimum((share - before) / (band - before), (after - share) / (after - band))
        sigma = soft * (0.008 + 0.06 * band) * one.height
        blurred = grids.soften(laid, sigma, max(0.35, abs(down)) * sigma)
        out += np.clip(near, 0, 1) * blurred
    return out * (1 - TIP * np.clip(share, 0, 1))


def _contact(one: Person, soft: float) -> np.ndarray:
    """Narrow and deep, where the soles meet the ground."""
    thick = max(1, round(0.02 * one.height))
    below = np.zeros_like(one.alpha)
    below[:-thick] = one.alpha[thick:]
    soles = one.alpha * (1 - below) * (_heights(one) < FOOT * one.height)
    wide, high = 0.014 * one.height * soft, 0.008 * one.height * soft
    down = max(1, round(high))
    soles[down:] = soles[:-down].copy()
    return np.minimum(2.2 * grids.soften(soles, wide, high), 1)


def _occlusion(one: Person) -> np.ndarray:
    """Wide and faint: the ground near the person sees less of the sky."""
    low = np.clip(1 - _heights(one) / (0.2 * one.height), 0, 1) * one.alpha
    flat = 0.22  # of the height
    rows, columns = one.alpha.shape
    a, b = one.level, one.slope
    move = np.array([[1, 0, 0], [b * (1 - flat), flat, a * (1 - flat)]], np.float64)
    move[:, 2] += move[:, :2] @ [0.5, 0.5] - 0.5
    pool = cv2.warpAffine(low, move, (columns, rows), flags=cv2.INTER_LINEAR)
    return np.minimum(1.8 * grids.soften(pool, 0.05 * one.height, 0.018 * one.height), 1)


def _wall(one: Person, shadow: Shadow, soft: float) -> np.ndarray:
    """The matte, aside and below, on something close behind."""
    far = 0.05 * one.height
    side = -math.sin(math.radians(shadow.azimuth)) * far
    down = math.sin(math.radians(shadow.elevation)) * 0.5 * far
    move = np.array([[1, 0, side], [0, 1, down]], np.float64)
    border = cv2.BORDER_CONSTANT if one.stands else cv2.BORDER_REPLICATE
    size = one.alpha.shape[::-1]
    moved = cv2.warpAffine(one.alpha, move, size, flags=cv2.INTER_LINEAR, borderMode=border)
    return grids.soften(moved, 0.035 * one.height * soft)
