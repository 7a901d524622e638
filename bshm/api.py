"""The Python interface: a photo, as a path, bytes, a picture or an array -> its cutout.

>>> import bshm
>>> bshm.cutout("photo.jpg").save("cutout.png")

Make a `Matting` of your own to choose its settings, and to close it when you like.
"""

from __future__ import annotations

import os
import re
import threading
from typing import IO, TYPE_CHECKING, Any, Union

import numpy as np

from bshm import disk
from bshm.codec.decode import decode, from_picture
from bshm.cutouts.cutout import Cutout
from bshm.errors import InputError
from bshm.matting import AlphaMatting
from bshm.pictures import Photo
from bshm.pipeline import Recipe, finish
from bshm.timing import measure

if TYPE_CHECKING:
    from PIL.Image import Image

    # What a photo may be given as: where it is, its file's bytes, or its pixels.
    Place = Union[str, os.PathLike, IO[bytes]]
    Bytes = Union[bytes, bytearray, memoryview]
    AnyPhoto = Union[Place, Bytes, Image, np.ndarray, Photo]


class Matting(AlphaMatting):
    """Cuts people out of photos. Safe to call from any number of threads; a context manager.

    At most ``threads`` photos are worked on at once: more would gain nothing, and each takes
    memory. Further callers wait for their turn. Each process makes its own.
    """

    def cutout(self, image: AnyPhoto, **wanted: Any) -> Cutout:
        """Cut the people out of one photo.

        image: a path, the bytes of a file, a binary file, a Pillow picture, a `Photo`, or a uint8
            array: RGB ``[H, W, 3]``, RGBA ``[H, W, 4]`` or grey ``[H, W]``. What is transparent in
            it stays so; files and pictures are turned upright and keep their colour profile.
        wanted: fields of `Recipe`, such as ``only_alpha=True`` or ``crop="5%"``

        Raises TypeError for anything else, ValueError for arrays of another shape or type,
        InputError for what cannot be read, and what :meth:`alpha` raises.
        """
        recipe = Recipe(**wanted)
        with measure("read"):
            image, name = _read(image)  # may take long, so before its turn
        with self._turn:
            with measure("read"):
                photo = _photo(image, name, recipe.max_pixels)
            return finish(photo, self._alpha(photo.rgb), recipe)


def cutout(
    image: AnyPhoto,
    *,
    weights: str | os.PathLike = "auto",
    device: str = "auto",
    engine: str = "auto",
    threads: int = 0,
    **wanted: Any,
) -> Cutout:
    """Cut the people out of one photo: :meth:`Matting.cutout` of a `Matting` made on first use.

    There is one for each choice of weights, device, engine and threads, which are those of
    `Matting`. It is kept until the process ends, for all threads; a forked process makes its own.
    """
    return _kept.get(str(weights), device, engine, threads).cutout(image, **wanted)


class _Kept:
    """The `Matting` objects of this process, by how they were made."""

    def __init__(self) -> None:
        self.forget()
        if hasattr(os, "register_at_fork"):  # not on Windows
            os.register_at_fork(after_in_child=self.forget)

    def forget(self) -> None:
        self.lock = threading.Lock()
        self.mattings: dict[tuple, Matting] = {}

    def get(self, weights: str, device: str, engine: str, threads: int) -> Matting:
        key = (weights, device, engine, threads)
        with self.lock:
            if key not in self.mattings:
                self.mattings[key] = Matting(
                    weights=weights, device=device, engine=engine, threads=threads
                )
            return self.mattings[key]


_kept = _Kept()


def _read(image: Any) -> tuple[Any, str]:
    """The bytes of a path or a file, anything else as it is; and what messages call it."""
    if isinstance(image, (str, os.PathLike)):
        path = os.fsdecode(image)
        if re.match("[a-zA-Z][a-zA-Z0-9+.-]+://", path):  # not shown: it may hold a password
            raise InputError("expected a path, got an address: fetch it first", code="bad_address")
        return disk.read(path, path, disk.LIMIT), path
    if _is_picture(image):
        return image, str(getattr(image, "filename", "") or "picture")
    if isinstance(image, (bytes, bytearray, memoryview)):
        return image, "bytes"
    if hasattr(image, "read"):
        return image.read(), str(getattr(image, "name", "file"))
    return image, ""


def _is_picture(image: object) -> bool:
    """Whether this is a Pillow picture, asked without importing Pillow."""
    return hasattr(image, "getexif") and hasattr(image, "getbands")


def _photo(image: Any, name: str, max_pixels: int) -> Photo:
    """A photo from what `_read` gives."""
    if isinstance(image, (bytes, bytearray, memoryview)):
        return decode(bytes(image), name, max_pixels)
    if _is_picture(image):
        return from_picture(image, name, max_pixels)
    if isinstance(image, np.ndarray):
        return _from_array(image)
    if isinstance(image, Photo):
        return image
    raise TypeError(
        "expected a path, bytes, a binary file, a Pillow picture or a uint8 RGB array, got %s"
        % type(image).__name__
    )


def _from_array(pixels: np.ndarray) -> Photo:
    """A photo from an array of RGB, RGBA or grey. Raises ValueError."""
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    if pixels.dtype != np.uint8 or pixels.ndim not in (2, 3) or channels not in (1, 3, 4):
        found = "%s %s" % (pixels.dtype, list(pixels.shape))
        raise ValueError(
            "expected a uint8 array, RGB [H, W, 3], RGBA [H, W, 4] or grey [H, W], got %s" % found
        )
    if channels == 1:
        return Photo(np.repeat(pixels.reshape(*pixels.shape[:2], 1), 3, axis=2))
    alpha = np.ascontiguousarray(pixels[..., 3]) if channels == 4 else None
    opaque = alpha is None or not alpha.size or alpha.min() == 255
    return Photo(np.ascontiguousarray(pixels[..., :3]), alpha=None if opaque else alpha)
