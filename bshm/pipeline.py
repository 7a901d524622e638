"""One photo, done: the page to read first.

    photo = decode(data, name)               bytes -> pixels                codec.decode
    alpha = matting.alpha(photo.rgb)         pixels -> alpha                matting
    cutout = finish(photo, alpha, recipe)    alpha -> what was asked for    here
    data = cutout.encode()                   pixels -> bytes                codec.png

The command, the Python interface and all that is built on them come through here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable

import cv2
import numpy as np

from bshm import disk, timing
from bshm.codec.decode import MAX_PIXELS, decode
from bshm.codec.png import encode_png
from bshm.codec.profiles import convert
from bshm.matting import Matting, edge_colours
from bshm.pictures import Box, Photo
from bshm.scene.background import Background, Blur, Colour, Flat, Gradient, Named, Picture
from bshm.scene.compose import Scene, compose, wish


@dataclass(frozen=True)
class Recipe:
    """What is wanted of a photo.

    only_alpha: make the matte alone instead of the cutout
    max_pixels: refuse to decode photos of more pixels than this
    scene: what the people are put on, with the light and the shadow of it
    scene_icc: the RGB profile that the scene's picture is in; None means sRGB
    read_picture: reads and decodes the picture of a scene that only names one, when it is needed
    """

    only_alpha: bool = False
    max_pixels: int = MAX_PIXELS
    scene: Scene | None = None
    scene_icc: bytes | None = None
    read_picture: Callable[[str], Photo] | None = None

    def fingerprint(self) -> str:
        """A word or two that differ between recipes whose results differ."""
        if self.only_alpha:
            return "alpha"
        return "cutout" if self.scene is None else "scene-" + self.scene.fingerprint()


def render(photo: Photo, matting: Matting, recipe: Recipe) -> Cutout | Composite:
    """What the recipe wants of a photo. Raises what :meth:`Matting.alpha` raises."""
    return finish(photo, matting.alpha(photo.rgb), recipe)


def finish(photo: Photo, alpha: np.ndarray, recipe: Recipe) -> Cutout | Composite:
    """The same where alpha, float32 ``[H, W]`` in 0-1, is known already, as for a film's frame."""
    if recipe.scene is not None and not recipe.only_alpha:
        scene, icc = recipe.scene, recipe.scene_icc
        if isinstance(scene.behind, Named) and recipe.read_picture is not None:
            picture = recipe.read_picture(scene.behind.name)
            scene, icc = scene._replace(behind=Picture(picture.rgb, picture.alpha)), picture.icc
        return _on_scene(photo, alpha, scene, icc)
    if recipe.only_alpha:
        pixels = cv2.convertScaleAbs(alpha, alpha=255)
    else:
        with timing.measure("foreground"):
            pixels = edge_colours.cutout(photo.rgb, alpha)
    if photo.alpha is not None:
        _keep_transparency(pixels, photo.alpha)
    return Cutout(pixels, photo.icc)


def _on_scene(photo: Photo, alpha: np.ndarray, scene: Scene, scene_icc: bytes | None) -> Composite:
    """The people on something new, in the photo's own profile."""
    if photo.alpha is not None:
        alpha = alpha * (photo.alpha * np.float32(1 / 255))
    with timing.measure("foreground"):
        colours = edge_colours.estimate(photo.rgb, alpha)
    with timing.measure("scene"):
        scene = scene._replace(behind=_in_profile(scene.behind, scene_icc, photo.icc))
        made = compose(scene, photo.rgb, alpha, colours)
    return Composite(made.pixels, photo.icc, made.grown)


def _in_profile(
    behind: Background | None, source: bytes | None, target: bytes | None
) -> Background | None:
    """A background in another profile; named colours are sRGB."""
    if isinstance(behind, Picture):
        return behind._replace(rgb=convert(behind.rgb, source, target))
    if isinstance(behind, Flat):
        return Flat(_colour_in_profile(behind.colour, target))
    if isinstance(behind, Gradient):
        colours = tuple(_colour_in_profile(colour, target) for colour in behind.colours)
        return Gradient(colours, behind.radial)
    return behind


def _colour_in_profile(colour: Colour, target: bytes | None) -> Colour:
    red, green, blue = convert(np.array([[colour[:3]]], np.uint8), None, target)[0, 0].tolist()
    return red, green, blue, colour[3]


def _keep_transparency(pixels: np.ndarray, alpha: np.ndarray) -> None:
    """What was transparent in the photo stays so, in place: pixels [H, W] or [H, W, 4]."""
    matte = pixels if pixels.ndim == 2 else pixels[..., 3]
    matte[...] = cv2.multiply(np.ascontiguousarray(matte), alpha, scale=1 / 255)
    if pixels.ndim == 3:
        pixels[matte == 0] = 0


@dataclass(frozen=True, eq=False)
class _Rendered:
    """Pixels, uint8, and the RGB profile that their colours are in; None means sRGB."""

    pixels: np.ndarray
    icc: bytes | None = None

    def encode(self, mark: str = "") -> bytes:
        """A PNG; ``mark`` is a text in it by which it is known again."""
        return encode_png(self.pixels, self.icc, mark)

    def save(self, path: str | Path) -> None:
        """Write a PNG, whole or not at all. Raises OutputError."""
        disk.write_atomic(Path(path), self.encode())


@dataclass(frozen=True, eq=False)
class Composite(_Rendered):
    """A person, or several, on something new.

    pixels: uint8, RGB ``[H, W, 3]``, or straight RGBA ``[H, W, 4]`` where not all is opaque
    grown: pixels by which the frame is larger than the photo's: left, top, right, bottom
    """

    grown: tuple[int, int, int, int] = (0, 0, 0, 0)

    def encode(self, mark: str = "") -> bytes:
        """A PNG, always with alpha, as all that bshm writes; ``mark`` as of a cutout."""
        if self.pixels.shape[2] == 4:
            return super().encode(mark)
        return encode_png(cv2.cvtColor(self.pixels, cv2.COLOR_RGB2RGBA), self.icc, mark)


@dataclass(frozen=True, eq=False)
class Cutout(_Rendered):
    """A person, or several, without the background.

    pixels: uint8, straight RGBA ``[H, W, 4]``, or the matte ``[H, W]`` where it alone was wanted
    icc: the RGB profile that the colours are in; None means sRGB
    """

    def on(
        self, behind: str | np.ndarray | Background, photo: Photo | None = None, **wishes: Any
    ) -> Composite:
        """The people on something new: ``cutout.on("white")``.

        behind: a text as of ``--background``, or a picture, uint8 ``[H, W, 3]``, in the profile
            of the cutout; a text that names a file names a PNG, JPEG, ... of this disk
        photo: the photo that was cut out; its background is what tells of its light and what
            ``blur`` blurs
        wishes: ``fit``, ``position``, ``scale``, ``light``, ``shadow``, as `scene.compose.wish`
            takes them

        Raises ValueError for texts that mean nothing, InputError for a file that cannot be read.
        """
        scene = wish(behind, **wishes)
        icc = self.icc
        if isinstance(scene.behind, Named):
            name = scene.behind.name
            picture = decode(disk.read(name, name, disk.LIMIT), name)
            scene, icc = scene._replace(behind=Picture(picture.rgb, picture.alpha)), picture.icc
        scene = scene._replace(behind=_in_profile(scene.behind, icc, self.icc))
        if photo is None:
            if isinstance(scene.behind, Blur):
                raise ValueError("blur needs the photo: on('blur', photo)")
            scene = scene._replace(light=0.0)
        colours = np.ascontiguousarray(self.rgba[..., :3])
        made = compose(scene, colours if photo is None else photo.rgb, self.alpha, colours)
        return Composite(made.pixels, self.icc, made.grown)

    @property
    def rgba(self) -> np.ndarray:
        """Straight RGBA, uint8 ``[H, W, 4]``. Raises ValueError where there is only a matte."""
        if self.pixels.ndim == 2:
            raise ValueError("this cutout has no colours: its recipe asked for the matte alone")
        return self.pixels

    @property
    def matte(self) -> np.ndarray:
        """Alpha in 255 steps, uint8 ``[H, W]``."""
        return self.pixels if self.pixels.ndim == 2 else self.pixels[..., 3]

    @property
    def alpha(self) -> np.ndarray:
        """Alpha, float32 ``[H, W]`` in 0-1."""
        return self.matte * np.float32(1 / 255)

    @property
    def coverage(self) -> float:
        """Share of the picture that is covered, 0-1; 0 where nobody was found."""
        return float(self.matte.mean() / 255)

    @property
    def box(self) -> Box | None:
        """The smallest window that holds all that shows, or None where nothing does."""
        shown = self.matte > 0
        rows, columns = np.flatnonzero(shown.any(axis=1)), np.flatnonzero(shown.any(axis=0))
        if not rows.size:
            return None
        return Box(int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1)
