"""One photo, done: the page to read first.

    photo = decode(data, name)               bytes -> pixels                codec.decode
    alpha = matting.alpha(photo.rgb)         pixels -> alpha                matting
    cutout = finish(photo, alpha, recipe)    alpha -> what was asked for    here
    data = cutout.encode("png")              pixels -> bytes                codec.encode

The command, the Python interface and all that is built on them come through here.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Callable

import cv2
import numpy as np

from bshm import timing
from bshm.codec.decode import MAX_PIXELS
from bshm.codec.encode import check
from bshm.cutouts.cutout import Composite, Cutout, margin
from bshm.matting import AlphaMatting, edge_colours
from bshm.pictures import Photo

if TYPE_CHECKING:
    from bshm.idphoto.sizes import IdPhoto
    from bshm.scene.compose import Scene


@dataclass(frozen=True)
class Recipe:
    """What is wanted of a photo. Raises ValueError for what cannot be.

    only_alpha: make the matte alone instead of the cutout
    crop: trim to what shows, with a margin around it: pixels, or a share of its longer side such as
        ``"5%"``; True is none, None or False is the whole photo
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
    crop: int | str | bool | None = None
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
        if isinstance(self.crop, bool):
            object.__setattr__(self, "crop", 0 if self.crop else None)
        if self.crop is not None:
            margin(self.crop, 0)

    def fingerprint(self) -> str:
        """A text that differs between recipes whose results differ."""
        # What changes no result, and the scene and its profile, which are too long to be told.
        left_out = ("max_pixels", "scene", "scene_icc", "read_picture")
        results = [each.name for each in fields(self) if each.name not in left_out]
        words = ["%s=%s" % (name, getattr(self, name)) for name in results]
        if self.scene:
            words.append("scene=" + self.scene.fingerprint())
        if self.scene_icc:
            words.append("scene_icc=" + hashlib.sha256(self.scene_icc).hexdigest()[:16])
        return " ".join(words)

    def of_matte(self) -> Recipe:
        """The recipe of the matte that belongs to this one's cutout: a PNG, which loses nothing."""
        return replace(self, only_alpha=True, format="png", quality=None, kilobytes=None)


def render(photo: Photo, matting: AlphaMatting, recipe: Recipe) -> Cutout:
    """What the recipe wants of a photo. Raises what :meth:`Matting.alpha` raises."""
    return finish(photo, matting.alpha(photo.rgb), recipe)


def finish(photo: Photo, alpha: np.ndarray, recipe: Recipe) -> Cutout:
    """The same where alpha, float32 ``[H, W]`` in 0-1, is known already, as for a film's frame."""
    if recipe.id_photo is not None:
        return _id_photo(photo, alpha, recipe, recipe.id_photo)
    if recipe.scene is not None and not recipe.only_alpha:
        cutout: Cutout = _on_scene(photo, alpha, recipe, recipe.scene)
    else:
        cutout = _cut_out(photo, alpha, recipe)
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


def _on_scene(photo: Photo, alpha: np.ndarray, recipe: Recipe, scene: Scene) -> Composite:
    """The people on something new, in the photo's own profile."""
    from bshm.cutouts import on_scene

    scene, icc = on_scene.decoded(scene, recipe.scene_icc, recipe.read_picture)
    alpha, colours = _people(photo, alpha)
    with timing.measure("scene"):
        return on_scene.put(scene, icc, photo.rgb, alpha, colours, photo.icc)


def _people(photo: Photo, alpha: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The alpha of what the photo itself shows of the people, and their colours."""
    with timing.measure("foreground"):
        colours = edge_colours.estimate(photo.rgb, alpha)
    # Not before: what shows half of a solid person is no mixture with what was behind.
    if photo.alpha is not None:
        alpha = alpha * (photo.alpha * np.float32(1 / 255))
    return alpha, colours


def _id_photo(photo: Photo, alpha: np.ndarray, recipe: Recipe, wanted: IdPhoto) -> Composite:
    from bshm.cutouts import id_photo

    alpha, colours = _people(photo, alpha)
    with timing.measure("scene"):
        behind = recipe.scene.behind if recipe.scene else None
        return id_photo.make(colours, alpha, photo.icc, wanted, behind)


def _keep_transparency(pixels: np.ndarray, alpha: np.ndarray) -> None:
    """What was transparent in the photo stays so, in place: pixels [H, W] or [H, W, 4]."""
    matte = pixels if pixels.ndim == 2 else pixels[..., 3]
    matte[...] = cv2.multiply(np.ascontiguousarray(matte), alpha, scale=1 / 255)
    if pixels.ndim == 3:
        pixels[matte == 0] = 0
