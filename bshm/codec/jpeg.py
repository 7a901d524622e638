"""JPEGs: encoded, and known again by their mark. Importing this module does not load Pillow."""

from __future__ import annotations

import struct
from io import BytesIO
from typing import TYPE_CHECKING, Any

from bshm.errors import OutputError

if TYPE_CHECKING:
    import numpy as np

# Start of image, then the segment that every JFIF file begins with, up to its version.
_START = b"\xff\xd8\xff\xe0\0\x10JFIF\0"
_BEGIN = 20  # bytes up to the end of that segment
_MARK_SEGMENT = b"\xff\xef"  # APP15: free for any program, and kept by none that does not know it
_KEYWORD = b"bshm\0"
_TEXT = _BEGIN + 4 + len(_KEYWORD)  # bytes before the text of the mark
_END = b"\xff\xd9"
_COMMENT, _MOST_COMMENT = b"\xff\xfe", 65533  # marker, bytes in one
BEST, POOREST = 95, 10  # qualities where a size is looked for: above, files only grow
MAX_SIDE = 65500  # pixels, of libjpeg


def encode_jpeg(
    pixels: np.ndarray,
    quality: int,
    icc: bytes | None = None,
    mark: str = "",
    dpi: int | None = None,
) -> bytes:
    """JPEG of RGB ``[H, W, 3]`` or grey ``[H, W]`` pixels, uint8, with colours at full size.

    icc: an RGB profile to embed; grey pixels take none
    mark: a text to embed, by which `bshm.codec.marks` knows the file again
    dpi: pixels an inch
    """
    from PIL import Image

    options: dict[str, Any] = {"icc_profile": icc} if icc and pixels.ndim == 3 else {}
    if dpi:
        options["dpi"] = (dpi, dpi)
    file = BytesIO()
    # Red hair before white would be smeared by the usual half-size colours.
    Image.fromarray(pixels).save(file, "JPEG", quality=quality, subsampling=0, **options)
    data = file.getvalue()
    if not mark:
        return data
    body = _KEYWORD + mark.encode("utf-8", "backslashreplace")
    segment = _MARK_SEGMENT + struct.pack(">H", 2 + len(body)) + body
    return b"".join([data[:_BEGIN], segment, data[_BEGIN:]])


def encode_within(
    pixels: np.ndarray,
    kilobytes: tuple[float, float],
    icc: bytes | None = None,
    mark: str = "",
    dpi: int | None = None,
) -> bytes:
    """JPEG at the best quality that is no larger than was asked for, and no smaller.

    kilobytes: the least and the most. Forms count 1000 or 1024 bytes and do not say which; the
        file keeps within the range either way where the range has room for both.

    What even the best quality leaves below the least is filled up by comments, which no picture
    loses by. Raises OutputError where the poorest quality is too large.
    """
    least, most = int(kilobytes[0] * 1024), int(kilobytes[1] * 1000)
    if least > most:  # too narrow for both
        least, most = int(kilobytes[0] * 1000), int(kilobytes[1] * 1024)
    poor, fine = POOREST, BEST + 1  # what fits, and what does not
    best = encode_jpeg(pixels, poor, icc, mark, dpi)
    if len(best) > most:
        reason = "has %.1f KB at the poorest quality (%d) and is to have %g at most"
        raise OutputError(reason % (len(best) / 1000, POOREST, kilobytes[1]), code="too_many_bytes")
    while fine - poor > 1:
        middle = (poor + fine) // 2
        data = encode_jpeg(pixels, middle, icc, mark, dpi)
        if len(data) <= most:
            poor, best = middle, data
        else:
            fine = middle
    return _filled_up(best, least) if len(best) < least else best


def _filled_up(data: bytes, least: int) -> bytes:
    """The same picture with as many comments before its end that it is ``least`` bytes long."""
    parts, lack = [], least - len(data)
    while lack > 0:
        body = max(0, min(lack - 4, _MOST_COMMENT))
        parts.append(_COMMENT + struct.pack(">H", 2 + body) + b"\0" * body)
        lack -= 4 + body
    return b"".join([data[: -len(_END)], *parts, _END])


def mark_in(head: bytes) -> bytes | None:
    """The mark in the beginning of a JPEG that :func:`encode_jpeg` wrote, else None."""
    segment = head[_BEGIN : _BEGIN + 2], head[_BEGIN + 4 : _TEXT]
    if not head.startswith(_START) or segment != (_MARK_SEGMENT, _KEYWORD):
        return None
    return head[_TEXT : _BEGIN + 2 + int.from_bytes(head[_BEGIN + 2 : _BEGIN + 4], "big")]


def is_whole(head: bytes, tail: bytes, size: int) -> bool:
    """Whether a file with a mark ends where a JPEG ends."""
    return tail.endswith(_END)
