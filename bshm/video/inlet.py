"""Where films come from: a file, or a pipe, which is read as it comes or kept on the disk."""

from __future__ import annotations

import os
import tempfile
from typing import Any, BinaryIO

from bshm import disk
from bshm.errors import InputError, without_secrets
from bshm.video import animations
from bshm.video.animations import Animation
from bshm.video.reader import Film

HEAD = 12  # bytes that tell what must be kept
# MP4 and MOV begin with a box of this name, and often end with what has to be known first.
BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")


def open_film(source: str) -> Film | Animation:
    """A film or an animated picture, from a path or, named ``-``, from stdin. Raises InputError."""
    if source == "-":
        with disk.stdin("a film") as stdin:
            file, head = from_pipe(stdin)
        return (Animation if animations.is_animation(head) else Film)(file, "stdin")
    if disk.scheme(source):
        reason = "is an address; films are read from this disk"
        raise InputError(reason, without_secrets(source), "bad_address")
    head = first_bytes(source, HEAD)
    return (Animation if animations.is_animation(head) else Film)(source, source)


def first_bytes(path: str, size: int) -> bytes:
    """What a file begins with. Raises InputError."""
    try:
        if os.path.isdir(path):
            raise InputError("is a folder, not a film", path, "not_a_file")
        if disk.takes_a_stream(path):  # opened more than once, it would begin in its middle
            reason = "is a pipe or a device; name - and redirect it to stdin"
            raise InputError(reason, path, "not_a_file")
        with open(path, "rb") as opened:
            return opened.read(size)
    except OSError as error:
        code = "not_found" if isinstance(error, FileNotFoundError) else "unreadable"
        raise InputError("cannot be read: %s" % error.strerror, path, code) from error


def from_pipe(pipe: BinaryIO) -> tuple[Any, bytes]:
    """A film to be read, and its first bytes."""
    head = part = disk.read_some(pipe, HEAD)
    while part and len(head) < HEAD:
        part = disk.read_some(pipe, HEAD - len(head))
        head += part
    if not (head[4:8] in BOXES or animations.is_animation(head)):
        return _Behind(head, pipe), head
    kept = tempfile.TemporaryFile()  # noqa: SIM115 - whoever reads the film closes it
    part = head
    while part:
        kept.write(part)
        part = disk.read_some(pipe, 1 << 20)
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
        return disk.read_some(self._pipe, size)
