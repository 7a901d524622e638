"""Marks: the text in a file by which it is known that bshm made it, and of which photo.

A mark stands at a fixed place in the beginning of a file, in a part that other programs skip when
they read it and leave out when they write it: a file that was edited bears none.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

from bshm.codec import jpeg, png, webp

START = 64  # bytes at the beginning of a file that show whether it has a mark
HEAD = 4096  # bytes there that hold all of it
TAIL = 16  # bytes at the end of a file
_FORMATS = (png, jpeg, webp)


def is_own(path: Path) -> bool:
    """Whether a file begins as bshm writes one with a mark, whichever mark it is.

    Only its first bytes are read, for this is asked of every photo in a folder. Raises nothing.
    """
    try:
        with _opened(path) as file:
            return begins_as_own(file.read(START))
    except (OSError, ValueError):  # ValueError: a name that cannot be one
        return False


def begins_as_own(start: bytes) -> bool:
    """The same of the first `START` bytes of a file, or of more."""
    return any(kind.mark_in(start) is not None for kind in _FORMATS)


def is_finished(path: Path, mark: str) -> bool:
    """Whether a file bears this mark and is whole, by its ends and its size. Raises nothing."""
    try:
        with _opened(path) as file:
            return bears(file, mark)
    except (OSError, ValueError):
        return False


def bears(file: BinaryIO, mark: str) -> bool:
    """The same of an open file. Raises OSError."""
    head = file.read(HEAD)
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - TAIL))
    tail = file.read(TAIL)
    expected = mark.encode("utf-8", "backslashreplace")
    return any(
        kind.mark_in(head) == expected and kind.is_whole(head, tail, size) for kind in _FORMATS
    )


def _opened(path: Path) -> BinaryIO:
    if not os.path.isfile(str(path)):  # opening a named pipe would block
        raise FileNotFoundError
    return open(str(path), "rb", buffering=0)
