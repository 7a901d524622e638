"""`Cutout` and `Composite`: finished pixels, what can be told of them, and what is made of them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np

from bshm import disk, planes
from bshm.codec import given
from bshm.codec.encode import encode, format_of
from bshm.pictures import Box

if TYPE_CHECKING:
    from PIL.Image import Image

    from bshm.codec.given import AnyPhoto
    from bshm.idphoto.head import Head
    from bshm.scene.background import Background


class Trim(NamedTuple):
    """Where a cutout that was trimmed lies: a box in a picture of this height and width."""

    box: Box
    size: tuple[int, int]


@dataclass(frozen=True, eq=False, repr=False)
class Cutout:
    """A person, or several, without the background.

    pixels: uint8, straight RGBA ``[H, W, 4]``, or the matte ``[H, W]`` where it alone was wanted
    icc: the RGB profile that the colours are in; None means sRGB
    dpi: pixels an inch that its files say; None leaves it open
    trim: where it lies in the photo, if it was trimmed
    """

    pixels: np.ndarray
    icc: bytes | None = None
    dpi: int | None = None
    trim: Trim | None = None

    def on(
        self, behind: AnyPhoto | Background, photo: AnyPhoto | None = None, **wishes: Any
    ) -> Composite:
        """The people on something new: ``cutout.on("white")``.

        behind: a text as of ``--background``; one that names a file names a PNG, JPEG, ... of this
            disk. Or a colour as levels, ``(255, 255, 255)``. Or a picture, as
            :func:`bshm.cutout` takes photos; an array is in the profile of the cutout
        photo: the whole photo that was cut out, in any such form; its background is what tells of
            its light and what ``blur`` blurs. Without it nobody is lit anew
        wishes: ``fit``, ``position``, ``scale``, ``light``, ``shadow``, as `scene.compose.scene_of`
            takes them

        Raises TypeError for what is none of these, ValueError for texts that mean nothing and for
        a photo of another size, InputError for a file that cannot be read.
        """
        from bshm.cutouts import on_scene
        from bshm.scene.background import Blur, Picture
        from bshm.scene.compose import scene_of

        wanted: Any = behind
        icc = self.icc
        if given.holds_a_file(wanted):
            picture = given.photo_of(wanted)
            wanted, icc = Picture(picture.rgb, picture.alpha), picture.icc
        scene, icc = on_scene.decoded(scene_of(wanted, **wishes), icc, given.photo_of)
        if photo is None:
            if isinstance(scene.behind, Blur):
                raise ValueError("blur needs the photo: on('blur', photo)")
            if scene.light:
                raise ValueError("light needs the photo: on(behind, photo, light=...)")
            scene = scene._replace(light=0.0)
        colours = np.ascontiguousarray(self.rgba[..., :3])
        seen = colours if photo is None else self._seen_in(given.photo_of(photo).rgb)
        made = on_scene.put(scene, icc, seen, self.alpha, colours, self.icc)
        return replace(made, dpi=self.dpi, trim=self.trim)

    def _seen_in(self, rgb: np.ndarray) -> np.ndarray:
        """The part of the photo that the cutout shows. Raises ValueError."""
        size = self.trim.size if self.trim else self.matte.shape
        if rgb.shape[:2] != size:
            words = "expected the photo that was cut out, %d×%d pixels, got one of %d×%d"
            raise ValueError(words % (*size[::-1], *rgb.shape[1::-1]))
        return np.ascontiguousarray(self.trim.box.of(rgb)) if self.trim else rgb

    def id_photo(
        self,
        size: str,
        background: str = "white",
        *,
        dpi: int | None = None,
        paper: str | None = None,
        lenient: bool = False,
    ) -> Composite:
        """An ID photo of the person: ``cutout.id_photo("35x45mm", "#4b6190").save("id.jpg")``.

        size, paper: texts as `idphoto.sizes` reads them; of paper, a sheet full of copies
        background: a colour or a gradient
        dpi: pixels an inch; None is 300
        lenient: make it also where the photo breaks a rule

        Raises ValueError for texts that mean nothing, InputError where the photo breaks a rule.
        """
        from bshm.cutouts import id_photo
        from bshm.idphoto import sizes
        from bshm.scene.compose import scene_of

        dpi = dpi or sizes.DPI
        sides = sizes.paper(paper, dpi) if paper else None
        wanted = sizes.IdPhoto(sizes.parse(size, dpi), sides, lenient)
        colours = np.ascontiguousarray(self.rgba[..., :3])
        return id_photo.make(colours, self.alpha, self.icc, wanted, scene_of(background).behind)

    def __repr__(self) -> str:
        height, width = self.matte.shape
        words = type(self).__name__, width, height, 100 * self.coverage
        return "<bshm.%s of %d×%d pixels, %.0f %% covered>" % words

    def _repr_png_(self) -> bytes:
        """What notebooks show."""
        return self.encode()

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
        """Trimmed to its box with a margin as in a recipe; whole where nobody was found.

        On nothing, a shadow that leaves that window makes it larger.
        """
        box = self.box
        if box is None:
            return self
        around = margin(wanted, max(box.bottom - box.top, box.right - box.left))
        top, left = max(0, box.top - around), max(0, box.left - around)
        height, width = self.matte.shape
        bottom, right = min(height, box.bottom + around), min(width, box.right + around)
        return self._trimmed(self._with_room(Box(top, bottom, left, right)))

    def _with_room(self, box: Box) -> Box:
        """A window around the people, larger where something of theirs leaves it."""
        return box

    def _trimmed(self, box: Box) -> Cutout:
        pixels = np.ascontiguousarray(box.of(self.pixels))
        return replace(self, pixels=pixels, trim=self._trim_of(box))

    def _trim_of(self, box: Box) -> Trim:
        """Where a box of this cutout lies in the photo."""
        if self.trim is None:
            return Trim(box, self.matte.shape)
        return Trim(box.moved(self.trim.box.top, self.trim.box.left), self.trim.size)

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
        chosen = format or format_of(str(path), whole=True) or "png"
        disk.write_atomic(Path(path), self.encode(chosen, quality=quality, kilobytes=kilobytes))


@dataclass(frozen=True, eq=False, repr=False)
class Composite(Cutout):
    """A person, or several, on something new. `alpha`, `box` and the like tell of the people.

    pixels: uint8, RGB ``[H, W, 3]``, or straight RGBA ``[H, W, 4]`` where not all is opaque
    people: the people's matte in it, uint8 ``[H, W]``
    grown: pixels by which the frame is larger than the photo's: left, top, right, bottom
    shown: on nothing, the window that holds people and shadow; None where no shadow falls
    unmet: wishes that this photo does not allow: ``shadow`` on the ground, where nobody stands in
        the frame, and ``position``, where an edge of the frame cuts people off
    head: of an ID photo, where the head is in it; None on a sheet of several
    trim: where it lies in the photo, if it was trimmed; a shadow may leave the photo
    """

    people: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.uint8))
    grown: tuple[int, int, int, int] = (0, 0, 0, 0)
    shown: Box | None = None
    unmet: tuple[str, ...] = ()
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

    def on(self, *given: Any, **wishes: Any) -> Composite:
        """Raises TypeError: the first background shines through edges."""
        raise TypeError("these people are on something already: call on() of their cutout")

    def id_photo(self, *given: Any, **wanted: Any) -> Composite:
        """Raises TypeError, as `on` does."""
        raise TypeError("these people are on something already: call id_photo() of their cutout")

    def _with_room(self, box: Box) -> Box:
        return box.join(self.shown) if self.shown else box

    def _trim_of(self, box: Box) -> Trim:
        left, top, right, bottom = self.grown
        height, width = self.matte.shape
        box = box.moved(-top, -left)
        if self.trim is None:
            return Trim(box, (height - top - bottom, width - left - right))
        return super()._trim_of(box)

    def _trimmed(self, box: Box) -> Composite:
        planes = (np.ascontiguousarray(box.of(each)) for each in (self.pixels, self.people))
        pixels, people = planes
        trim, grown = self._trim_of(box), (0, 0, 0, 0)  # it is not the grown frame any more
        shown = self.shown and self.shown.moved(-box.top, -box.left)
        head = self.head and self.head.moved(1.0, box.left, box.top)
        return replace(
            self, pixels=pixels, people=people, trim=trim, grown=grown, shown=shown, head=head
        )


def margin(wanted: int | str, side: int) -> int:
    """A margin in pixels, which may be wanted as a share of a side. Raises ValueError."""
    found = re.fullmatch(r"([0-9]{1,5}(?:\.[0-9]+)?)%|([0-9]{1,5})(?:px)?", str(wanted).strip())
    if not found:
        expected = "expected a margin in pixels or per cent, such as 20 or '5%%', got %r"
        raise ValueError(expected % (wanted,))
    share, pixels = found.groups()
    return round(side * float(share) / 100) if share else int(pixels)
