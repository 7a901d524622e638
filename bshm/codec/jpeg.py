"""JPEGs: encoded, and known again by their mark. Importing this module does not load Pillow."""

from __future__ import annotations

import struct
from io import BytesIO
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

# Start of image, then the segment that every JFIF file begins with, up to its version.
_START = b"\xff\xd8\xff\xe0\0\x10JFIF\0"
_BEGIN = 20  # bytes up to the end of that segment
_MARK_SEGMENT = b"\xff\xef"  # APP15: free for any program, and kept by none that does not know it
_KEYWORD = b"bshm\0"
_TEXT = _BEGIN + 4 + len(_KEYWORD)  # bytes before the text of the mark
_END = b"\xff\xd9"
MAX_SIDE = 65500  # pixels, of libjpeg


def encode_jpeg(
    pixels: np.ndarray, quality: int, icc: bytes | None = None, mark: str = ""
) -> bytes:
    """JPEG of RGB ``[H, W, 3]`` or grey ``[H, W]`` pixels, uint8, with colours at full size.

    icc: an RGB profile to embed; grey pixels take none
    mark: a text to embed, by which `bshm.codec.marks` knows the file again
    """
    from PIL import Image

    options: dict[str, Any] = {"icc_profile": icc} if icc and pixels.ndim == 3 else {}
    file = BytesIO()
    # Red hair before white would be smeared by the usual half-size colours.
    Image.fromarray(pixels).save(file, "JPEG", quality=quality, subsampling=0, **options)
    data = file.getvalue()
    if not mark:
        return data
    body = _KEYWORD + mark.encode("utf-8", "backslashreplace")
    segment = _MARK_SEGMENT + struct.pack(">H", 2 + len(body)) + body
    return b"".join([data[:_BEGIN], segment, data[_BEGIN:]])


def mark_in(head: bytes) -> bytes | None:
    """The mark in the beginning of a JPEG that :func:`encode_jpeg` wrote, else None."""
    segment = head[_BEGIN : _BEGIN + 2], head[_BEGIN + 4 : _TEXT]
    if not head.startswith(_START) or segment != (_MARK_SEGMENT, _KEYWORD):
        return None
    return head[_TEXT : _BEGIN + 2 + int.from_bytes(head[_BEGIN + 2 : _BEGIN + 4], "big")]


def is_whole(head: bytes, tail: bytes, size: int) -> bool:
    """Whether a file with a mark ends where a JPEG ends."""
    return tail.endswith(_END)
