"""PNGs: encoded, and known again by their mark. Importing this module does not load numpy."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Any, Iterator

if TYPE_CHECKING:
    import numpy as np

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_BEGIN = 33  # bytes of the signature and the header
_END = b"\0\0\0\0IEND\xaeB`\x82"
# Start of an iTXt chunk with a mark: the keyword, not compressed, no language, no translation.
_KEYWORD = b"bshm\0\0\0\0\0"
_TEXT = _BEGIN + 8 + len(_KEYWORD)  # bytes before the text of the mark
STRIPE_BYTES = 1 << 18  # bytes packed at a time, so that no second whole picture is made


def encode_png(
    pixels: np.ndarray, icc: bytes | None = None, mark: str = "", dpi: int | None = None
) -> bytes:
    """PNG of straight RGBA ``[H, W, 4]`` or grey ``[H, W]`` pixels, uint8.

    Lines are stored as differences to the one above. Packed by `isal`, a cutout takes a fifth of
    the time of `cv2.imencode` and is a little smaller; by zlib, where that is not installed, about
    as long. Neither needs a second whole picture in BGR order.

    icc: an RGB profile to embed; grey pixels take none
    mark: a text to embed, by which `bshm.codec.marks` knows the file again
    dpi: pixels an inch; PNG keeps them as pixels a metre

    Raises ValueError for pixels of another type or shape.
    """
    check(pixels)
    height, width = pixels.shape[:2]
    grey = pixels.ndim == 2
    header = struct.pack(">IIBBBBB", width, height, 8, 0 if grey else 6, 0, 0, 0)
    parts = [_SIGNATURE, _chunk(b"IHDR", header), _mark_chunk(mark)]
    if icc and not grey:
        parts.append(_chunk(b"iCCP", b"ICC Profile\0\0" + zlib.compress(icc)))
    if dpi:
        a_metre = round(dpi / 0.0254)
        parts.append(_chunk(b"pHYs", struct.pack(">IIB", a_metre, a_metre, 1)))
    for part in _deflate(pixels.reshape(height, -1)):
        parts.append(_chunk(b"IDAT", part))
    return b"".join([*parts, _END])


def check(pixels: np.ndarray) -> None:
    """Raise ValueError for all but straight RGBA ``[H, W, 4]`` and grey ``[H, W]``, uint8."""
    fits = pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 4)
    if not fits or pixels.dtype.name != "uint8" or not pixels.size:
        got = "%s %s" % (pixels.dtype, list(pixels.shape))
        raise ValueError("expected uint8 [H, W] or [H, W, 4], got %s" % got)


def mark_in(head: bytes) -> bytes | None:
    """The mark in the beginning of a PNG that :func:`encode_png` wrote, else None."""
    header = head[16:29]
    ours = (
        head[:_BEGIN] == _SIGNATURE + _chunk(b"IHDR", header)
        and any(header[:4])
        and any(header[4:8])
        and header[8:] in (b"\x08\0\0\0\0", b"\x08\6\0\0\0")
    )
    if not ours or head[_BEGIN + 4 : _TEXT] != b"iTXt" + _KEYWORD:
        return None
    end = _BEGIN + 8 + int.from_bytes(head[_BEGIN : _BEGIN + 4], "big")
    return head[_TEXT:end]


def is_whole(head: bytes, tail: bytes, size: int) -> bool:
    """Whether a file with a mark ends where a PNG ends."""
    return tail.endswith(_END)


def _deflate(rows: np.ndarray) -> Iterator[bytes]:
    """Zlib stream of uint8 PNG lines ``[H, n]``, filtered with Up, in parts."""
    import numpy as np

    packer = _packer()
    lines = max(1, STRIPE_BYTES // rows.shape[1])
    above = np.zeros(rows.shape[1], np.uint8)
    for top in range(0, len(rows), lines):
        part = rows[top : top + lines]
        filtered = np.empty((len(part), 1 + part.shape[1]), np.uint8)
        filtered[:, 0] = 2  # the filter's number
        np.subtract(part[0], above, out=filtered[0, 1:])
        np.subtract(part[1:], part[:-1], out=filtered[1:, 1:])
        above = part[-1]
        packed = packer.compress(filtered.data)
        if packed:
            yield packed
    yield packer.flush()


def _packer() -> Any:
    try:
        from isal import isal_zlib
    except ImportError:  # there are machines that it is not built for
        return zlib.compressobj(1, zlib.DEFLATED, 15, 9, zlib.Z_RLE)
    return isal_zlib.compressobj(1)


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _mark_chunk(mark: str) -> bytes:
    text = mark.encode("utf-8", "backslashreplace")
    return _chunk(b"iTXt", _KEYWORD + text) if mark else b""
