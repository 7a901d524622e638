"""Whole PNGs on disk: encoded, written at once, and known again.

Importing this module does not load numpy.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Iterator

from bshm.errors import OutputError

if TYPE_CHECKING:
    import numpy as np

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_BEGIN = 33  # bytes of the signature and the header
_END = b"\0\0\0\0IEND\xaeB`\x82"
# Keyword of the text that holds a mark; it is not compressed and of no language in particular.
_KEYWORD = b"bshm\0\0\0\0\0"
_STRIPE = 1 << 18  # pixels packed at a time, so that no second whole picture is made

_WRITE_ERRORS = {
    errno.ENOSPC: "the disk is full",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "no permission to write there",
    errno.EPERM: "no permission to write there",
    errno.ENAMETOOLONG: "the file name is too long",
    errno.EISDIR: "it is a folder",
    errno.ENOTDIR: "a part of its path is a file, not a folder",
    errno.EEXIST: "a part of its path is a file, not a folder",
}


def encode_png(pixels: np.ndarray, icc: bytes | None = None, mark: str = "") -> bytes:
    """PNG of straight RGBA ``[H, W, 4]`` or grey ``[H, W]`` pixels, uint8.

    Lines are stored as differences to the left neighbour and packed by zlib's run-length
    strategy, which on cutouts is three times as fast as Pillow's level 1, and smaller.

    icc: an RGB profile to embed; grey pixels take none
    mark: a text to embed, which :func:`is_finished_png` can ask for and by which
        :func:`is_own_png` knows the file

    Raises ValueError for pixels of another type or shape.
    """
    fits = pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 4)
    if not fits or pixels.dtype.name != "uint8" or not pixels.size:
        got = "%s %s" % (pixels.dtype, list(pixels.shape))
        raise ValueError("expected uint8 [H, W] or [H, W, 4], got %s" % got)
    height, width = pixels.shape[:2]
    grey = pixels.ndim == 2
    header = struct.pack(">IIBBBBB", width, height, 8, 0 if grey else 6, 0, 0, 0)
    parts = [_SIGNATURE, _chunk(b"IHDR", header), _mark_chunk(mark)]
    if icc and not grey:
        parts.append(_chunk(b"iCCP", b"ICC Profile\0\0" + zlib.compress(icc)))
    for part in _deflate(pixels.reshape(height, -1), 1 if grey else 4):
        parts.append(_chunk(b"IDAT", part))
    return b"".join([*parts, _END])


def is_finished_png(path: Path, mark: str = "") -> bool:
    """Whether a file is a whole PNG that :func:`encode_png` could have written, cheaply.

    Only its head and its last bytes are read: a regular file, 8-bit grey or RGBA, with this
    ``mark`` if one is given, that ends where a PNG ends. Raises nothing.
    """
    marked = _mark_chunk(mark)
    try:
        if not os.path.isfile(str(path)):  # opening a named pipe would block
            return False
        with open(str(path), "rb") as file:
            head = file.read(_BEGIN + len(marked))
            file.seek(-len(_END), os.SEEK_END)
            tail = file.read()
    except (OSError, ValueError):
        return False
    return _begins_like_ours(head) and head[_BEGIN:] == marked and tail == _END


def is_own_png(path: Path) -> bool:
    """Whether a file begins as what :func:`encode_png` writes with a mark, whichever it is.

    Only its first bytes are read, for this is asked of every PNG in a folder. Raises nothing.
    """
    try:
        if not os.path.isfile(str(path)):  # opening a named pipe would block
            return False
        with open(str(path), "rb") as file:
            head = file.read(_BEGIN + 8 + len(_KEYWORD))
    except (OSError, ValueError):
        return False
    return _begins_like_ours(head) and head[_BEGIN + 4 :] == b"iTXt" + _KEYWORD


def _begins_like_ours(head: bytes) -> bool:
    """The signature and the header of a PNG of 8-bit grey or RGBA that has pixels."""
    header = head[16:29]
    return (
        head[:_BEGIN] == _SIGNATURE + _chunk(b"IHDR", header)
        and any(header[:4])
        and any(header[4:8])
        and header[8:] in (b"\x08\0\0\0\0", b"\x08\6\0\0\0")
    )


def write_atomic(path: Path, data: bytes) -> None:
    """Write a file so that it is there whole or not at all; parent folders are made.

    A hidden file beside it is written and renamed, and removed on any failure. A symbolic link
    is followed; a device or a pipe (``/dev/stdout``) is written to as it is.

    Raises OutputError.
    """
    try:
        target = os.path.realpath(str(path))
        if os.path.isdir(target):
            raise IsADirectoryError(errno.EISDIR, "")
        if os.path.exists(str(path)) and not os.path.isfile(str(path)):
            with open(str(path), "wb") as file:
                file.write(data)
            return
        for left in (2, 1, 0):
            try:
                _write_and_rename(target, data)
                return
            except FileNotFoundError:  # another run saw the file before it was locked
                if not left:
                    raise
    except (OSError, ValueError) as error:  # ValueError: a name that cannot be encoded
        number = error.errno if isinstance(error, OSError) else None
        reason = _WRITE_ERRORS.get(number or 0, getattr(error, "strerror", None) or error)
        raise OutputError("%s: cannot be written: %s" % (path, reason)) from error


def _write_and_rename(target: str, data: bytes) -> None:
    folder = os.path.dirname(target)
    os.makedirs(folder, exist_ok=True)
    scratch = os.path.join(folder, ".bshm-%s.tmp" % os.urandom(8).hex())
    try:
        # Not tempfile: its files are for their owner only, whatever the umask.
        with open(scratch, "xb") as file:
            with contextlib.suppress(OSError):  # not every file system has locks
                _lock(file)
            file.write(data)
            if os.name != "nt":  # Windows renames no open file, and removes none
                file.flush()
                os.replace(scratch, target)
        if os.name == "nt":
            os.replace(scratch, target)
    finally:
        with contextlib.suppress(OSError):  # gone after the rename
            os.unlink(scratch)


def clear_up(folder: Path) -> None:
    """Remove what runs that were killed in the midst of writing left in a folder.

    Files that another run is writing are locked, and stay. Raises nothing.
    """
    with contextlib.suppress(OSError):
        for name in os.listdir(str(folder)):
            if re.fullmatch(r"\.bshm-[0-9a-f]{16}\.tmp", name):
                scratch = os.path.join(str(folder), name)
                with contextlib.suppress(OSError):
                    with open(scratch, "rb") as file:
                        _lock(file)
                    os.unlink(scratch)


def _lock(file: BinaryIO) -> None:
    """Lock an open file until it is closed; raises OSError if another process has."""
    if os.name != "nt":
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _deflate(rows: np.ndarray, channels: int) -> Iterator[bytes]:
    """Zlib stream of uint8 PNG lines ``[H, W * channels]``, filtered with Sub, in parts."""
    import numpy as np

    packer = zlib.compressobj(1, zlib.DEFLATED, 15, 9, zlib.Z_RLE)
    lines = max(1, _STRIPE // rows.shape[1])
    for top in range(0, len(rows), lines):
        part = rows[top : top + lines]
        filtered = np.empty((len(part), 1 + part.shape[1]), np.uint8)
        filtered[:, 0] = 1  # the filter's number
        filtered[:, 1 : 1 + channels] = part[:, :channels]
        np.subtract(part[:, channels:], part[:, :-channels], out=filtered[:, 1 + channels :])
        packed = packer.compress(filtered.data)
        if packed:
            yield packed
    yield packer.flush()


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _mark_chunk(mark: str) -> bytes:
    text = mark.encode("utf-8", "backslashreplace")
    return _chunk(b"iTXt", _KEYWORD + text) if mark else b""
