"""A photo in whatever form a program has it: a path, bytes, a binary file, a picture, an array."""

from __future__ import annotations

import os
from typing import IO, TYPE_CHECKING, Any, Union

import numpy as np

from bshm import disk
from bshm.codec.decode import MAX_PIXELS, decode, from_picture
from bshm.errors import InputError
from bshm.pictures import Photo

if TYPE_CHECKING:
    from PIL.Image import Image

    # What a photo may be given as: where it is, its file's bytes, or its pixels.
    AnyFile = Union[str, os.PathLike, IO[bytes]]
    Bytes = Union[bytes, bytearray, memoryview]
    AnyPhoto = Union[AnyFile, Bytes, Image, np.ndarray, Photo]


def photo_of(image: AnyPhoto, max_pixels: int = MAX_PIXELS) -> Photo:
    """The photo, read and decoded; see :func:`bshm.cutout` for what it may be.

    Raises TypeError for anything else, ValueError for arrays of another shape or type, and
    InputError for what cannot be read.
    """
    return decoded(*read(image), max_pixels)


def read(image: Any) -> tuple[Any, str]:
    """The bytes of a path or a file, anything else as it is; and what messages call it."""
    if isinstance(image, (str, os.PathLike)):
        path = os.fsdecode(image)
        if disk.scheme(path):  # not shown: it may hold a password
            raise InputError("expected a path, got an address: fetch it first", code="bad_address")
        return disk.read(path, path, disk.LIMIT), path
    if _is_picture(image):
        return image, str(getattr(image, "filename", "") or "picture")
    if isinstance(image, (bytes, bytearray, memoryview)):
        return image, "bytes"
    if hasattr(image, "read"):
        return image.read(), str(getattr(image, "name", "file"))
    return image, ""


def decoded(image: Any, name: str, max_pixels: int) -> Photo:
    """A photo from what `read` gives."""
    if isinstance(image, (bytes, bytearray, memoryview)):
        return decode(bytes(image), name, max_pixels)
    if _is_picture(image):
        return from_picture(image, name, max_pixels)
    if isinstance(image, np.ndarray):
        return of_array(image)
    if isinstance(image, Photo):
        return image
    raise TypeError(
        "expected a path, bytes, a binary file, a Pillow picture or a uint8 RGB array, got %s"
        % type(image).__name__
    )


def of_array(pixels: np.ndarray) -> Photo:
    """A photo from an array of RGB, RGBA or grey. Raises ValueError."""
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    is_one = pixels.ndim in (2, 3) and channels in (1, 3, 4) and pixels.size
    if pixels.dtype != np.uint8 or not is_one:
        found = "%s %s" % (pixels.dtype, list(pixels.shape))
        raise ValueError(
            "expected a uint8 array, RGB [H, W, 3], RGBA [H, W, 4] or grey [H, W], got %s" % found
        )
    if channels == 1:
        return Photo(np.repeat(pixels.reshape(*pixels.shape[:2], 1), 3, axis=2))
    alpha = np.ascontiguousarray(pixels[..., 3]) if channels == 4 else None
    opaque = alpha is None or alpha.min() == 255
    return Photo(np.ascontiguousarray(pixels[..., :3]), alpha=None if opaque else alpha)


def holds_a_file(image: object) -> bool:
    """Whether this is a file's bytes, a binary file, or what was decoded of one."""
    kinds = (bytes, bytearray, memoryview, Photo)
    return isinstance(image, kinds) or _is_picture(image) or hasattr(image, "read")


def _is_picture(image: object) -> bool:
    """Whether this is a Pillow picture, asked without importing Pillow."""
    return hasattr(image, "getexif") and hasattr(image, "getbands")
