"""Marks: the text in a file by which it is known that bshm made it, and of which photo.

A mark stands at a fixed place in the beginning of a file, in a part that other programs skip when
they read it and leave out when they write it: a file that was edited bears none.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from bshm.codec import jpeg, png, webp

HEAD = 4096  # bytes at the beginning of a file that hold all of its mark
TAIL = 16  # bytes at its end
_FORMATS = (png, jpeg, webp)


class _Ends(NamedTuple):
    """Both ends of a file, and its size in bytes."""

    head: bytes
    tail: bytes
    size: int


def is_own(path: Path) -> bool:
    """Whether a file begins as bshm writes one with a mark, whichever mark it is.

    Only its ends are read, for this is asked of every photo in a folder. Raises nothing.
    """
    ends = _ends(path)
    return ends is not None and any(kind.mark_in(ends.head) is not None for kind in _FORMATS)


def is_finished(path: Path, mark: str) -> bool:
    """Whether a file bears this mark and is whole, by its ends and its size. Raises nothing."""
    ends, expected = _ends(path), mark.encode("utf-8", "backslashreplace")
    return ends is not None and any(
        kind.mark_in(ends.head) == expected and kind.is_whole(*ends) for kind in _FORMATS
    )


def _ends(path: Path) -> _Ends | None:
    try:
        if not os.path.isfile(str(path)):  # opening a named pipe would block
            return None
        with open(str(path), "rb") as file:
            head = file.read(HEAD)
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - TAIL))
            return _Ends(head, file.read(TAIL), size)
    except (OSError, ValueError):  # ValueError: a name that cannot be one
        return None
