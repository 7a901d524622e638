"""Films from a pipe: read as they come, or kept on the disk where one must go back and forth."""

from __future__ import annotations

import shutil
import tempfile
from typing import Any, BinaryIO

from bshm.video import animations

HEAD = 12  # bytes that tell what must be kept
# MP4 and MOV begin with a box of this name, and often end with what has to be known first.
BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")


def from_pipe(pipe: BinaryIO) -> tuple[Any, bytes]:
    """A film to be read, and its first bytes."""
    head = pipe.read(HEAD)
    if not (head[4:8] in BOXES or animations.is_animation(head)):
        return _Behind(head, pipe), head
    kept = tempfile.TemporaryFile()  # noqa: SIM115 - whoever reads the film closes it
    kept.write(head)
    shutil.copyfileobj(pipe, kept, 1 << 20)
    kept.seek(0)
    return kept, head


class _Behind:
    """A pipe of which the first bytes were read already. It has no ``seek``."""

    def __init__(self, head: bytes, pipe: BinaryIO) -> None:
        self._head, self._pipe = head, pipe

    def read(self, size: int) -> bytes:
        if self._head:
            begin, self._head = self._head[:size], self._head[size:]
            return begin
        return self._pipe.read(size)
