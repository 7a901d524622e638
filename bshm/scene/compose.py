"""A cutout on something new: what is estimated once, and what is done to each picture."""

from __future__ import annotations

import hashlib
import os
from typing import Any, Iterator, NamedTuple, TypeVar

import cv2
import numpy as np

from bshm import planes
from bshm.codec import given
from bshm.pictures import Box
from bshm.planes import Window
from bshm.scene import background, blur, grids, light, place, shadow, tones
from bshm.scene.background import Background, Blur, Flat, Gradient, Named, Picture
from bshm.scene.light import parse as parse_light
from bshm.scene.shadow import parse as parse_shadow

TILE = 128  # pixels: the planes of a tile stay in the processor's cache
PLAIN = (Flat, Gradient)  # drawn, not seen: they light nobody


class Scene(NamedTuple):
    """What was asked for.

    behind: None leaves the person on nothing
    fit: how a picture fills the frame, one of `background.FITS`
    position: where the person goes, as `place.parse` reads it
    scale: how large the person is, 1 as in the photo
    light: 0-1, how far the person's colours follow the background; None does so for pictures only
    shadow: see `shadow.parse`
    """

    behind: Background | None = None
    fit: str = "cover"
    position: tuple[float | None, float | None] = (None, None)
    scale: float = 1.0
    light: float | None = None
    shadow: shadow.Wish = shadow.Wish("none")

    def fingerprint(self) -> str:
        """A word that differs between scenes that look different."""
        rest, seen = self, ""
        if isinstance(self.behind, Picture):
            rest, seen = self._replace(behind=None), background.fingerprint(self.behind)
        elif isinstance(self.behind, Named) and self.behind.seen:
            rest, seen = self._replace(behind=None), self.behind.seen
        return hashlib.sha256((seen + repr(rest)).encode()).hexdigest()[:16]


def scene_of(
    behind: str | os.PathLike | np.ndarray | tuple[int, ...] | Background | None = None,
    fit: str = "cover",
    position: str = "original",
    scale: str | float = 1.0,
    light: str | float | None = None,
    shadow: str = "none",
) -> Scene:
    """A scene of the texts that the command's flags take; an array is a picture, uint8
    ``[H, W, 3]``, three or four levels are a colour, scale and light may be numbers, and no light
    is ``auto``.

    Raises ValueError, and TypeError for what is none of these, with what was expected.
    """
    for name, text in (("fit", fit), ("position", position), ("shadow", shadow)):
        if not isinstance(text, str):
            raise TypeError("%s: expected a text, got %s" % (name, type(text).__name__))
    fit = fit.strip().lower()
    if fit not in background.FITS:
        raise ValueError("%s: expected one of %s" % (fit, ", ".join(background.FITS)))
    if isinstance(behind, str):
        behind = background.parse(behind)
    elif isinstance(behind, os.PathLike):
        behind = Named(os.fsdecode(behind))
    elif type(behind) is tuple and len(behind) in (3, 4):
        behind = Flat(background.of_levels(behind))
    elif isinstance(behind, np.ndarray):
        picture = given.of_array(behind)
        behind = Picture(picture.rgb, picture.alpha)
    elif not isinstance(behind, (Flat, Gradient, Blur, Named, Picture, type(None))):
        words = "expected a text such as white, levels of a colour, a path or a uint8 array, got %s"
        raise TypeError(words % type(behind).__name__)
    size = place.parse_scale(scale)
    return Scene(behind, fit, place.parse(position), size, parse_light(light), parse_shadow(shadow))


class Setting(NamedTuple):
    """What was estimated: plain numbers, which a film may let glide from frame to frame."""

    place: place.Place
    light: light.Light
    shadow: shadow.Shadow


NOTHING = Setting(place.Place(), light.Light(), shadow.Shadow())  # changes nothing


class Canvas(NamedTuple):
    """The finished picture.

    pixels: uint8, ``[H, W, 3]``, or ``[H, W, 4]`` of straight alpha where not all is opaque
    matte: the people in it, uint8 ``[H, W]``
    grown: pixels by which the frame is larger than the photo's: left, top, right, bottom
    shown: on nothing, the window that holds people and shadow; None where no shadow falls
    unmet: wishes that this photo does not allow: ``shadow`` on the ground, where nobody stands in
        the frame, and ``position``, where an edge of the frame cuts people off
    """

    pixels: np.ndarray
    matte: np.ndarray
    grown: tuple[int, int, int, int] = (0, 0, 0, 0)
    shown: Box | None = None
    unmet: tuple[str, ...] = ()


def compose(scene: Scene, rgb: np.ndarray, alpha: np.ndarray, colours: np.ndarray) -> Canvas:
    """A photo's person in a scene.

    rgb: the photo, uint8 ``[H, W, 3]``; alpha: its matte, float32 ``[H, W]`` in 0-1
    colours: the person's own, free of the old background, uint8 ``[H, W, 3]``
    """
    behind = paint(scene, rgb, alpha)
    setting = estimate(scene, rgb, alpha, behind)
    unmet = []
    if shadow.lacks_ground(scene.shadow, setting.shadow):
        unmet.append("shadow")
    if place.is_held(alpha, scene.position):
        unmet.append("position")
    return apply(setting, alpha, colours, behind)._replace(unmet=tuple(unmet))


def paint(scene: Scene, rgb: np.ndarray, alpha: np.ndarray) -> Picture | None:
    """The background at the photo's size; None is nothing."""
    if scene.behind is None:
        return None
    if isinstance(scene.behind, Named):
        raise ValueError("the picture %s is to be decoded first" % scene.behind.name)
    if isinstance(scene.behind, Blur):
        return Picture(blur.blur(rgb, alpha, scene.behind.strength, feet(alpha)))
    return background.paint(scene.behind, alpha.shape, scene.fit)


def estimate(scene: Scene, rgb: np.ndarray, alpha: np.ndarray, behind: Picture | None) -> Setting:
    """The numbers of a setting. ``behind`` as `paint` makes it."""
    where = place.estimate(alpha, scene.position, scale=scene.scale)
    thumb = _thumb(alpha)
    near = cover = None
    if behind is not None:
        size = grids.grid_size(*alpha.shape)
        near = grids.shrink(behind.rgb, size)
        cover = None if behind.alpha is None else grids.shrink(behind.alpha, size)
    lit = light.Light()
    strength = scene.light
    if strength is None:
        strength = 0.0 if isinstance(scene.behind, PLAIN) else 1.0
    if near is not None and strength and not isinstance(scene.behind, Blur):
        lit = light.fit(rgb, thumb, near, strength, cover)
    if scene.shadow.kind == "none":
        return Setting(where, lit, shadow.Shadow())
    opaque = near if cover is None else None
    there = place.move(thumb, _scaled(where, alpha))
    return Setting(where, lit, shadow.estimate(scene.shadow, there, lit, opaque))


def apply(
    setting: Setting, alpha: np.ndarray, colours: np.ndarray, behind: Picture | None
) -> Canvas:
    """The person on ``behind``, whose pixels may be overwritten."""
    alpha, colours = place.move_person(alpha, colours, setting.place)
    grown = (0, 0, 0, 0)
    if behind is None:
        grown = _margins(setting.shadow, alpha)
        if any(grown):
            left, top, right, bottom = grown
            alpha, colours = (
                cv2.copyMakeBorder(plane, top, bottom, left, right, cv2.BORDER_CONSTANT, value=0)
                for plane in (alpha, colours)
            )
    maps = _Maps(setting, alpha, behind)
    if behind is None or behind.alpha is not None:
        out = np.zeros((*alpha.shape, 4), np.uint8)
        for tile in _tiles(alpha.shape):
            out[tile] = _clear_tile(maps, tile, alpha, colours, behind)
    else:
        out = behind.rgb
        for tile in _tiles(alpha.shape):
            _opaque_tile(maps, tile, alpha, colours, out)
    shown = None
    if behind is None and maps.gains is not None:
        shown = planes.box(out[..., 3] > 255 * shadow.SEEN)
    return Canvas(out, cv2.convertScaleAbs(alpha, alpha=255), grown, shown)


Numbers = TypeVar("Numbers", bound=tuple)


def ease(before: Numbers, now: Numbers, share: float) -> Numbers:
    """``share`` of the way from one setting (or light, or shadow) to another, number by number."""

    def between(old: Any, new: Any) -> Any:
        return ease(old, new, share) if isinstance(old, tuple) else old + share * (new - old)

    return type(now)(*(between(old, new) for old, new in zip(before, now)))


def feet(alpha: np.ndarray) -> blur.Ground | None:
    """Where somebody stands in the frame, or None: rows of feet and horizon, in shares."""
    small = _thumb(alpha)
    standing = [one for one in shadow.people(small) if one.stands]
    if not standing:
        return None
    tallest = max(standing, key=lambda one: one.height)
    middle = float(np.flatnonzero(tallest.alpha.max(axis=0) > 0.5).mean())
    foot = tallest.level + tallest.slope * middle
    eyes = 0.07  # of the height, below the top of the head: cameras are held at eye level
    return blur.Ground(foot / len(small), (foot - (1 - eyes) * tallest.height) / len(small))


def _thumb(alpha: np.ndarray) -> np.ndarray:
    return grids.shrink(alpha, grids.grid_size(*alpha.shape))


def _scaled(where: place.Place, alpha: np.ndarray) -> place.Place:
    """The same place in the thumb of a matte."""
    shrink = grids.grid_size(*alpha.shape)[0] / alpha.shape[0]
    return place.Place(where.scale, where.x * shrink, where.y * shrink)


def _margins(cast: shadow.Shadow, alpha: np.ndarray) -> tuple[int, int, int, int]:
    height, width = alpha.shape
    left, top, right, bottom = shadow.reach(cast, _thumb(alpha))
    return tuple(
        round(share * side) for share, side in zip((left, top, right, bottom), (width, height) * 2)
    )


class _Maps:
    """A setting, laid out on the grid of one picture."""

    def __init__(self, setting: Setting, alpha: np.ndarray, behind: Picture | None) -> None:
        self.size = alpha.shape
        self.small = small = _thumb(alpha)
        dark = shadow.darkness(setting.shadow, small)
        self.gains = shadow.gains(setting.shadow, dark) if dark.any() else None
        self.table = light.table(setting.light)[:, None]
        self.matrix = light.saturation_matrix(setting.light) if setting.light.saturation else None
        self.slant = _slant(setting.light, small)
        self.wrap: tuple[np.ndarray, np.ndarray] | None = None
        if setting.light.wrap and behind is not None:
            self.wrap = _wrap(setting.light.wrap, small, behind.rgb)
        self.changes = setting.light != light.Light()

    def cover(self, tile: Window) -> tuple[float, float]:
        """Bounds of alpha in a tile: both 0 where nobody is in it, both 1 where all is person.

        Means over cells tell that as well as the pixels, in a hundredth of the time.
        """
        near = self.small[grids.cells(self.size, self.small.shape, tile)]
        least, most = float(near.min()), float(near.max())
        return (1.0 if least > 1 - 1e-5 else least), (0.0 if most < 1e-5 else most)

    def person(self, colours: np.ndarray, tile: Window) -> np.ndarray:
        """The person's colours in the new light: uint8 -> float32, coded 0-255."""
        if not self.changes:
            return colours.astype(np.float32)
        lit = cv2.LUT(np.ascontiguousarray(colours), self.table)
        if self.matrix is not None:
            lit = cv2.transform(lit, self.matrix)
        if self.slant is not None:
            lit = cv2.multiply(lit, cv2.merge([grids.grow(self.slant, self.size, tile)] * 3))
        if self.wrap is not None:
            share, spill = self.wrap
            if share[grids.cells(self.size, share.shape, tile)].max() > 1 / 255:
                share = grids.grow(share, self.size, tile)
                spilt = cv2.max(grids.grow(spill, self.size, tile), lit)
                lit = cv2.blendLinear(spilt, lit, share, 1 - share)
        return lit

    def shade(self, tile: Window) -> np.ndarray | None:
        """Factors for what is behind: float32 ``[h, w, 3]``, or None where no shadow falls."""
        if self.gains is None:
            return None
        if self.gains[grids.cells(self.size, self.gains.shape, tile)].min() > 1 - 1 / 512:
            return None
        return grids.grow(self.gains, self.size, tile)


def _slant(lit: light.Light, small: np.ndarray) -> np.ndarray | None:
    """Factors for coded values, from side to side and from top to bottom of the people."""
    if not (lit.right or lit.top) or not (small > 0.5).any():
        return None
    solid = small > 0.5
    ramps = []
    for axis, side in ((0, lit.right), (1, -lit.top)):
        inside = np.flatnonzero(solid.any(axis=axis))
        first, last = int(inside[0]), int(inside[-1]) + 1
        at = (np.arange(solid.shape[1 - axis]) + 0.5 - first) / (last - first)
        ramps.append(side * (np.clip(at, 0, 1) - 0.5))
    return np.exp2((ramps[0][None] + ramps[1][:, None]) / tones.GAMMA).astype(np.float32)


def _wrap(strength: float, small: np.ndarray, behind: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How much of what is behind spills over, and its soft colours, coded: on the grid."""
    size = float(np.sqrt(max(small.sum(), 1)))  # cells: of the people
    share = np.float32(strength) * grids.soften(1 - small, 0.012 * size)
    # As soft as that, a quarter of the cells a side tells as much.
    rows, columns = (max(2, side // 4) for side in small.shape)
    near = tones.to_linear(grids.shrink(behind, (rows, columns)))
    soft = grids.soften(near, 0.05 * size * columns / small.shape[1])
    return share, tones.to_coded(soft).astype(np.float32)


def _tiles(shape: tuple[int, ...]) -> Iterator[Window]:
    for y in range(0, shape[0], TILE):
        for x in range(0, shape[1], TILE):
            yield slice(y, min(y + TILE, shape[0])), slice(x, min(x + TILE, shape[1]))


def _opaque_tile(
    maps: _Maps, tile: Window, alpha: np.ndarray, colours: np.ndarray, out: np.ndarray
) -> None:
    """``alpha F + (1 - alpha) B``, in place of B."""
    near = alpha[tile]
    least, most = maps.cover(tile)
    shade = maps.shade(tile) if least < 1 else None
    if most <= 0 and shade is None:
        return
    if shade is None and not maps.changes:
        out[tile] = cv2.blendLinear(colours[tile], out[tile], near, 1 - near)
        return
    mixed: np.ndarray = out[tile].astype(np.float32)
    if shade is not None:
        mixed = cv2.multiply(mixed, shade)
    if most > 0:
        lit = maps.person(colours[tile], tile)
        mixed = lit if least >= 1 else cv2.blendLinear(lit, mixed, near, 1 - near)
    out[tile] = _rounded(mixed)


def _rounded(pixels: np.ndarray) -> np.ndarray:
    return cv2.addWeighted(pixels, 1, pixels, 0, 0, dtype=cv2.CV_8U)


def _clear_tile(
    maps: _Maps, tile: Window, alpha: np.ndarray, colours: np.ndarray, behind: Picture | None
) -> np.ndarray:
    """RGBA with straight alpha. A shadow is black there, as deep as it would be on something."""
    near = alpha[tile]
    least, most = maps.cover(tile)
    shade = maps.shade(tile) if least < 1 else None
    if most <= 0 and shade is None and behind is None:
        return np.zeros((*near.shape, 4), np.uint8)
    lit = maps.person(colours[tile], tile)
    if behind is None and shade is None:
        return np.dstack([_rounded(lit), cv2.convertScaleAbs(near, alpha=255)])
    below = np.zeros((*near.shape, 3), np.float32)  # premultiplied
    level = np.zeros(near.shape, np.float32)
    if behind is not None and behind.alpha is not None:
        level += behind.alpha[tile] * np.float32(1 / 255)
        below += behind.rgb[tile] * level[..., None]
    if shade is not None:
        below *= shade
        level += (1 - level) * (1 - shade.mean(axis=2))
    over = lit * near[..., None] + below * (1 - near)[..., None]
    whole = near + (1 - near) * level
    over /= np.maximum(whole, 1 / 512)[..., None]
    over[whole < 0.5 / 255] = 0
    return np.dstack([_rounded(over), cv2.convertScaleAbs(whole, alpha=255)])
