"""One photo, done: the page to read first.

    photo = decode(data, name)               bytes -> pixels                codec.decode
    alpha = matting.alpha(photo.rgb)         pixels -> alpha                matting
    cutout = finish(photo, alpha, recipe)    alpha -> what was asked for    here
    data = cutout.encode("png")              pixels -> bytes                codec.encode

The command, the Python interface and all that is built on them come through here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

import cv2
import numpy as np

from bshm import disk, timing
from bshm.codec.decode import MAX_PIXELS, decode
from bshm.codec.encode import encode, format_of, known
from bshm.codec.profiles import convert
from bshm.matting import AlphaMatting, edge_colours, planes
from bshm.pictures import Box, Photo
from bshm.scene.background import Background, Blur, Colour, Flat, Gradient, Named, Picture
from bshm.scene.compose import Canvas, Scene, compose, wish

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True)
class Recipe:
    """What is wanted of a photo. Raises ValueError for what cannot be.

    only_alpha: make the matte alone instead of the cutout
    crop: trim to what shows, with a margin around it: pixels, or a share of its longer side such as
        ``"5%"``; None is the whole photo
    format: ``png``, ``jpeg`` or ``webp``, of files
    max_pixels: refuse to decode photos of more pixels than this
    scene: what the people are put on, with the light and the shadow of it
    scene_icc: the RGB profile that the scene's picture is in; None means sRGB
    read_picture: reads and decodes the picture of a scene that only names one, when it is needed
    """

    only_alpha: bool = False
    crop: int | str | None = None
    format: str = "png"
    max_pixels: int = MAX_PIXELS
    scene: Scene | None = None
    scene_icc: bytes | None = field(default=None, repr=False)
    read_picture: Callable[[str], Photo] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "format", known(self.format))
        if self.crop is not None:
            margin(self.crop, 0)

    def fingerprint(self) -> str:
        """A text that differs between recipes whose results differ."""
        same = ("max_pixels", "scene", "scene_icc", "read_picture")
        results = [each.name for each in fields(self) if each.name not in same]
        words = ["%s=%s" % (name, getattr(self, name)) for name in results]
        return " ".join([*words, "scene=" + self.scene.fingerprint()] if self.scene else words)

    def of_matte(self) -> Recipe:
        """The recipe of the matte that belongs to this one's cutout: a PNG, which loses nothing."""
        return replace(self, only_alpha=True, format="png")


def margin(wanted: int | str, side: int) -> int:
    """A margin in pixels, which may be wanted as a share of a side. Raises ValueError."""
    found = re.fullmatch(r"([0-9]{1,5}(?:\.[0-9]+)?)%|([0-9]{1,5})(?:px)?", str(wanted).strip())
    if not found:
        expected = "expected a margin in pixels or per cent, such as 20 or '5%%', got %r"
        raise ValueError(expected % (wanted,))
    share, pixels = found.groups()
    return round(side * float(share) / 100) if share else int(pixels)


def render(photo: Photo, matting: AlphaMatting, recipe: Recipe) -> Cutout:
    """What the recipe wants of a photo. Raises what :meth:`Matting.alpha` raises."""
    return finish(photo, matting.alpha(photo.rgb), recipe)


def finish(photo: Photo, alpha: np.ndarray, recipe: Recipe) -> Cutout:
    """The same where alpha, float32 ``[H, W]`` in 0-1, is known already, as for a film's frame."""
    on_scene = recipe.scene is not None and not recipe.only_alpha
    cutout = (_on_scene if on_scene else _cut_out)(photo, alpha, recipe)
    return cutout if recipe.crop is None else cutout.crop(recipe.crop)


def _cut_out(photo: Photo, alpha: np.ndarray, recipe: Recipe) -> Cutout:
    if recipe.only_alpha:
        pixels = cv2.convertScaleAbs(alpha, alpha=255)
    else:
        with timing.measure("foreground"):
            pixels = edge_colours.cutout(photo.rgb, alpha)
    if photo.alpha is not None:
        _keep_transparency(pixels, photo.alpha)
    return Cutout(pixels, photo.icc)


def _on_scene(photo: Photo, alpha: np.ndarray, recipe: Recipe) -> Composite:
    """The people on something new, in the photo's own profile."""
    scene, icc = recipe.scene or Scene(), recipe.scene_icc
    if isinstance(scene.behind, Named) and recipe.read_picture is not None:
        picture = recipe.read_picture(scene.behind.name)
        scene, icc = scene._replace(behind=Picture(picture.rgb, picture.alpha)), picture.icc
    if photo.alpha is not None:
        alpha = alpha * (photo.alpha * np.float32(1 / 255))
    with timing.measure("foreground"):
        colours = edge_colours.estimate(photo.rgb, alpha)
    with timing.measure("scene"):
        scene = scene._replace(behind=_in_profile(scene.behind, icc, photo.icc))
        return _composite(compose(scene, photo.rgb, alpha, colours), photo.icc)


def _composite(canvas: Canvas, icc: bytes | None) -> Composite:
    return Composite(canvas.pixels, icc, canvas.matte, canvas.grown)


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
class Cutout:
    """A person, or several, without the background.

    pixels: uint8, straight RGBA ``[H, W, 4]``, or the matte ``[H, W]`` where it alone was wanted
    icc: the RGB profile that the colours are in; None means sRGB
    """

    pixels: np.ndarray
    icc: bytes | None = None

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
        return _composite(made, self.icc)

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
        return cv2.mean(self.pixels)[0 if self.pixels.ndim == 2 else 3] / 255

    @property
    def box(self) -> Box | None:
        """The smallest window that holds all that shows, or None where nothing does."""
        return planes.box(np.ascontiguousarray(self.matte))

    def crop(self, wanted: int | str = 0) -> Cutout:
        """Trimmed to its box with a margin as in a recipe; whole where nobody was found."""
        box = self.box
        if box is None:
            return self
        around = margin(wanted, max(box.bottom - box.top, box.right - box.left))
        top, left = max(0, box.top - around), max(0, box.left - around)
        return self._window(slice(top, box.bottom + around), slice(left, box.right + around))

    def _window(self, rows: slice, columns: slice) -> Cutout:
        return replace(self, pixels=np.ascontiguousarray(self.pixels[rows, columns]))

    def pil(self) -> Image:
        """A Pillow picture, RGBA or of a matte alone L, with its profile."""
        from PIL import Image

        picture = Image.fromarray(self.pixels)
        if self.icc and self.pixels.ndim == 3:
            picture.info["icc_profile"] = self.icc
        return picture

    def encode(self, format: str = "png", *, quality: int | None = None, mark: str = "") -> bytes:
        """A file: ``png``, ``jpeg`` (before white) or ``webp``.

        quality: of JPEG and WebP, 1-100; 90 unless it is given
        mark: a text in it by which it is known again

        Raises ValueError for another format or quality, and OutputError for more pixels a side than
        JPEG and WebP hold.
        """
        return encode(self.pixels, format, self.icc, quality, mark)

    def save(
        self, path: str | Path, *, format: str | None = None, quality: int | None = None
    ) -> None:
        """Write a file, whole or not at all: in the format given, or of its name's ending, or PNG.

        Raises OutputError, and ValueError for what :meth:`encode` does not write.
        """
        chosen = format or format_of(str(path)) or "png"
        disk.write_atomic(Path(path), self.encode(chosen, quality=quality))


@dataclass(frozen=True, eq=False)
class Composite(Cutout):
    """A person, or several, on something new. `alpha`, `box` and the like tell of the people.

    pixels: uint8, RGB ``[H, W, 3]``, or straight RGBA ``[H, W, 4]`` where not all is opaque
    people: the people's matte in it, uint8 ``[H, W]``
    grown: pixels by which the frame is larger than the photo's: left, top, right, bottom
    """

    people: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.uint8))
    grown: tuple[int, int, int, int] = (0, 0, 0, 0)

    @property
    def rgba(self) -> np.ndarray:
        """Straight RGBA, uint8 ``[H, W, 4]``."""
        opaque = self.pixels.shape[2] == 3
        return cv2.cvtColor(self.pixels, cv2.COLOR_RGB2RGBA) if opaque else self.pixels

    @property
    def matte(self) -> np.ndarray:
        """The people's alpha in 255 steps, uint8 ``[H, W]``."""
        return self.people

    @property
    def coverage(self) -> float:
        """Share of the picture that the people cover, 0-1; 0 where nobody was found."""
        return cv2.mean(self.people)[0] / 255

    def _window(self, rows: slice, columns: slice) -> Composite:
        planes = (np.ascontiguousarray(each[rows, columns]) for each in (self.pixels, self.people))
        pixels, people = planes
        return replace(self, pixels=pixels, people=people)

    def encode(self, format: str = "png", *, quality: int | None = None, mark: str = "") -> bytes:
        """A file, as of a cutout; of RGBA where the format has it."""
        return encode(self.rgba, format, self.icc, quality, mark)
