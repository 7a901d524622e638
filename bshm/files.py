"""Bytes from a local file or from stdin, within a limit and without waiting for anybody."""

from __future__ import annotations

import os
import re
import stat
import sys
from typing import BinaryIO

from bshm.errors import InputError

LIMIT = 1 << 30  # bytes of one photo, unless the caller says otherwise

# What a process inherited from its shell: `<(command)` and `/dev/stdin` may well be pipes.
_DESCRIPTOR = re.compile(r"/dev/(stdin|fd/[0-9]+)|/proc/(self|[0-9]+)/fd/[0-9]+")
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe (pipe the photo to `-i -` instead)",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def read(path: str, name: str, limit: int) -> bytes:
    """All of a file of at most ``limit`` bytes; messages call it ``name``. Raises InputError."""
    inherited = _DESCRIPTOR.fullmatch(path)
    # Should a named pipe take the file's place meanwhile, opening it must not wait for a writer.
    extra = 0 if inherited else getattr(os, "O_NONBLOCK", 0)
    try:
        status = os.stat(path)
        kind = _KINDS.get(stat.S_IFMT(status.st_mode))
        if kind and not inherited:
            raise InputError("%s: is %s, not a photo" % (name, kind))
        with open(path, "rb", opener=lambda path, flags: os.open(path, flags | extra)) as file:
            return _drain(file, name, limit, status.st_size)
    except OSError as error:
        raise InputError("%s: cannot be read: %s" % (name, error.strerror or error)) from error


def read_stdin(limit: int) -> bytes:
    """All of stdin, at most ``limit`` bytes. Raises InputError."""
    if sys.stdin is None:
        raise InputError("stdin: is closed")
    try:
        return _drain(sys.stdin.buffer, "stdin", limit)
    except OSError as error:
        raise InputError("stdin: cannot be read: %s" % error.strerror) from error


def _drain(file: BinaryIO, name: str, limit: int, expected: int = 0) -> bytes:
    """All of a file, but no more than ``limit`` bytes, in one piece if the size is known."""
    if file.isatty():
        raise InputError("%s: is a terminal; pipe a photo in" % name)
    parts: list[bytes] = []
    size = 0
    while size <= limit and expected <= limit:
        # A read of one byte too many meets the end of a file of the expected size.
        part = file.read(max(expected - size + 1, 1 << 16))
        if not part:
            return b"".join(parts)
        parts.append(part)
        size += len(part)
    raise InputError("%s: is larger than the limit of %.0f MB" % (name, limit / 1e6))
