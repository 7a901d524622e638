"""WebPs: encoded, and known again by their mark. Importing this module does not load Pillow.

A WebP is a list of chunks: four letters, the body's size, the body. One that has more than its
pixels begins with a chunk VP8X, which says what; the mark is a chunk of its own behind that one.
"""

from __future__ import annotations

import struct
from io import BytesIO
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

_BEGIN = 30  # bytes up to the end of VP8X
_KEYWORD = b"bshm"
_TEXT = _BEGIN + 8  # bytes before the text of the mark
_ALPHA = 0x10  # flag of VP8X
_X_RESOLUTION, _Y_RESOLUTION, _RESOLUTION_UNIT = 0x011A, 0x011B, 0x0128  # tags of EXIF
MAX_SIDE = 16383  # pixels, of the format
EFFORT = 2  # of 6: the usual 4 takes twice the time for 3 % of the bytes


def encode_webp(
    pixels: np.ndarray,
    quality: int | None,
    icc: bytes | None = None,
    mark: str = "",
    dpi: int | None = None,
) -> bytes:
    """WebP of straight RGBA ``[H, W, 4]`` or grey ``[H, W]`` pixels, uint8.

    quality: of the colours, 1-100; alpha is kept as it is. None: lossless
    icc: an RGB profile to embed; grey pixels take none
    mark: a text to embed, by which `bshm.codec.marks` knows the file again
    dpi: pixels an inch, which WebP itself has no place for: they are in its EXIF
    """
    from PIL import Image

    options: dict[str, Any] = {"lossless": True} if quality is None else {"quality": quality}
    options["method"] = EFFORT
    if icc and pixels.ndim == 3:
        options["icc_profile"] = icc
    if dpi:
        exif = Image.Exif()
        exif[_X_RESOLUTION] = exif[_Y_RESOLUTION] = dpi
        exif[_RESOLUTION_UNIT] = 2  # inches
        options["exif"] = exif.tobytes()
    picture = Image.fromarray(pixels)
    file = BytesIO()
    (picture if pixels.ndim == 3 else picture.convert("RGB")).save(file, "WEBP", **options)
    return _marked(file.getvalue(), picture.size, mark) if mark else file.getvalue()


def _marked(data: bytes, size: tuple[int, int], mark: str) -> bytes:
    """The same file with a mark."""
    if data[12:16] == b"VP8X":
        extended, rest = data[12:_BEGIN], data[_BEGIN:]
    else:  # lossless ones say in a bit whether they have alpha; the others that are short have none
        alpha = data[12:16] == b"VP8L" and data[24] & 0x10
        width, height = (struct.pack("<I", side - 1)[:3] for side in size)
        body = bytes([_ALPHA if alpha else 0, 0, 0, 0]) + width + height
        extended, rest = b"VP8X" + struct.pack("<I", len(body)) + body, data[12:]
    text = mark.encode("utf-8", "backslashreplace")
    chunk = _KEYWORD + struct.pack("<I", len(text)) + text + b"\0" * (len(text) % 2)
    parts = [b"WEBP", extended, chunk, rest]
    return b"".join([b"RIFF", struct.pack("<I", sum(map(len, parts))), *parts])


def mark_in(head: bytes) -> bytes | None:
    """The mark in the beginning of a WebP that :func:`encode_webp` wrote, else None."""
    kind = head[:4], head[8:16], head[_BEGIN : _BEGIN + 4]
    if kind != (b"RIFF", b"WEBPVP8X", _KEYWORD):
        return None
    return head[_TEXT : _TEXT + int.from_bytes(head[_BEGIN + 4 : _TEXT], "little")]


def is_whole(head: bytes, tail: bytes, size: int) -> bool:
    """Whether a file is as long as its beginning says."""
    return int.from_bytes(head[4:8], "little") + 8 == size
