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

from bshm import disk, planes, timing
from bshm.codec.decode import MAX_PIXELS, decode
from bshm.codec.encode import check, encode, format_of
from bshm.codec.profiles import convert
from bshm.idphoto import frame, sheet
from bshm.idphoto.head import Head, alone
from bshm.idphoto.sizes import DPI, IdPhoto
from bshm.idphoto.sizes import paper as parse_paper
from bshm.idphoto.sizes import parse as parse_size
from bshm.matting import AlphaMatting, edge_colours
from bshm.pictures import Box, Photo
from bshm.scene.background import Background, Blur, Colour, Flat, Gradient, Named, Picture
from bshm.scene.compose import NOTHING, Canvas, Scene, apply, compose, paint, wish

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True)
class Recipe:
    """What is wanted of a photo. Raises ValueError for what cannot be.

    only_alpha: make the matte alone instead of the cutout
    crop: trim to what shows, with a margin around it: pixels, or a share of its longer side such as
        ``"5%"``; None is the whole photo
    format: ``png``, ``jpeg`` or ``webp``, of files
    quality: of JPEG and WebP files, 1-100; None is 90
    kilobytes: the least and the most that a JPEG file is to be large
    dpi: pixels an inch that files say, for printers; None leaves it open
    max_pixels: refuse to decode photos of more pixels than this
    scene: what the people are put on, with the light and the shadow of it
    id_photo: frame the head for an ID photo; of its scene, the colour or gradient behind counts
    scene_icc: the RGB profile that the scene's picture is in; None means sRGB
    read_picture: reads and decodes the picture of a scene that only names one, when it is needed
    """

    only_alpha: bool = False
    crop: int | str | None = None
    format: str = "png"
    quality: int | None = None
    kilobytes: tuple[float, float] | None = None
    dpi: int | None = None
    max_pixels: int = MAX_PIXELS
    scene: Scene | None = None
    id_photo: IdPhoto | None = None
    scene_icc: bytes | None = field(default=None, repr=False)
    read_picture: Callable[[str], Photo] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        kind = check(self.format, self.quality, self.dpi, self.kilobytes)
        object.__setattr__(self, "format", kind)
        if self.crop is not None:
            margin(self.crop, 0)

    def fingerprint(self) -> str:
        """A text that differs between recipes whose results differ."""
        # What changes no result, and the scene, which has a fingerprint of its own.
        left_out = ("max_pixels", "scene", "scene_icc", "read_picture")
        results = [each.name for each in fields(self) if each.name not in left_out]
        words = ["%s=%s" % (name, getattr(self, name)) for name in results]
        return " ".join([*words, "scene=" + self.scene.fingerprint()] if self.scene else words)

    def of_matte(self) -> Recipe:
        """The recipe of the matte that belongs to this one's cutout: a PNG, which loses nothing."""
        return replace(self, only_alpha=True, format="png", quality=None, kilobytes=None)


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
    if recipe.id_photo is not None:
        return _id_photo(photo, alpha, recipe, recipe.id_photo)
    on_scene = recipe.scene is not None and not recipe.only_alpha
    cutout = (_on_scene if on_scene else _cut_out)(photo, alpha, recipe)
    if recipe.dpi:
        cutout = replace(cutout, dpi=recipe.dpi)
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
    alpha, colours = _people(photo, alpha)
    with timing.measure("scene"):
        scene = scene._replace(behind=_in_profile(scene.behind, icc, photo.icc))
        return _composite(compose(scene, photo.rgb, alpha, colours), photo.icc)


def _people(photo: Photo, alpha: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The alpha of what the photo itself shows of the people, and their colours."""
    if photo.alpha is not None:
        alpha = alpha * (photo.alpha * np.float32(1 / 255))
    with timing.measure("foreground"):
        return alpha, edge_colours.estimate(photo.rgb, alpha)


def _composite(canvas: Canvas, icc: bytes | None) -> Composite:
    return Composite(canvas.pixels, icc, people=canvas.matte, grown=canvas.grown)


def _id_photo(photo: Photo, alpha: np.ndarray, recipe: Recipe, wanted: IdPhoto) -> Composite:
    alpha, colours = _people(photo, alpha)
    with timing.measure("scene"):
        behind = recipe.scene.behind if recipe.scene else None
        return _framed(colours, alpha, photo.icc, wanted, behind)


def _framed(
    colours: np.ndarray,
    alpha: np.ndarray,
    icc: bytes | None,
    wanted: IdPhoto,
    behind: Background | None,
) -> Composite:
    """The head in the frame of an ID photo, or copies of that on a sheet."""
    size = wanted.size
    if not isinstance(behind, (Flat, Gradient, type(None))):
        raise ValueError("behind an ID photo goes a colour or a gradient")
    where, head = frame.fit(alpha, size, wanted.lenient)
    colours, alpha = frame.cut(colours, alone(alpha), where, size)
    painted = None
    if behind is not None:
        painted = paint(Scene(_in_profile(behind, None, icc)), colours, alpha)
    made = apply(NOTHING, alpha, colours, painted)
    pixels, matte = made.pixels, made.matte
    if wanted.paper:
        pixels = sheet.lay_out(pixels, wanted.paper, size.dpi)
        matte = sheet.lay_out(matte, wanted.paper, size.dpi, 0, 0)
    return Composite(pixels, icc, size.dpi, matte, head=head.moved(*where))


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
    dpi: pixels an inch that its files say; None leaves it open
    """

    pixels: np.ndarray
    icc: bytes | None = None
    dpi: int | None = None

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

    def id_photo(
        self, size: str, background: str = "white", *, dpi: int = DPI, paper: str | None = None,
        lenient: bool = False,
    ) -> Composite:  # fmt: skip
        """An ID photo of the person: ``cutout.id_photo("35x45mm", "#4b6190").save("id.jpg")``.

        size, paper: texts as `idphoto.sizes` reads them; of paper, a sheet full of copies
        background: a colour or a gradient
        lenient: make it also where the photo breaks a rule

        Raises ValueError for texts that mean nothing, InputError where the photo breaks a rule.
        """
        sides = parse_paper(paper, dpi) if paper else None
        wanted = IdPhoto(parse_size(size, dpi), sides, lenient)
        colours = np.ascontiguousarray(self.rgba[..., :3])
        return _framed(colours, self.alpha, self.icc, wanted, wish(background).behind)

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
        if self.dpi:
            picture.info["dpi"] = (self.dpi, self.dpi)
        return picture

    def encode(
        self,
        format: str = "png",
        *,
        quality: int | None = None,
        kilobytes: tuple[float, float] | None = None,
        mark: str = "",
    ) -> bytes:
        """A file: ``png``, ``jpeg`` (before white) or ``webp``.

        quality: of JPEG and WebP, 1-100; 90 unless it is given
        kilobytes: instead, the least and the most that a JPEG is to be large
        mark: a text in it by which it is known again

        Raises ValueError for another format, quality or range, and OutputError for more pixels a
        side than JPEG and WebP hold, or more bytes than it is to have.
        """
        pixels = self.pixels if self.pixels.ndim == 2 else self.rgba
        return encode(pixels, format, self.icc, quality, mark, self.dpi, kilobytes)

    def save(
        self,
        path: str | Path,
        *,
        format: str | None = None,
        quality: int | None = None,
        kilobytes: tuple[float, float] | None = None,
    ) -> None:
        """Write a file, whole or not at all: in the format given, or of its name's ending, or PNG.

        Raises OutputError, and ValueError for what :meth:`encode` does not write.
        """
        chosen = format or format_of(str(path)) or "png"
        disk.write_atomic(Path(path), self.encode(chosen, quality=quality, kilobytes=kilobytes))


@dataclass(frozen=True, eq=False)
class Composite(Cutout):
    """A person, or several, on something new. `alpha`, `box` and the like tell of the people.

    pixels: uint8, RGB ``[H, W, 3]``, or straight RGBA ``[H, W, 4]`` where not all is opaque
    people: the people's matte in it, uint8 ``[H, W]``
    grown: pixels by which the frame is larger than the photo's: left, top, right, bottom
    head: of an ID photo, where the head is in it
    """

    people: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.uint8))
    grown: tuple[int, int, int, int] = (0, 0, 0, 0)
    head: Head | None = None

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
