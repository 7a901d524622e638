"""How long the last frame of an animation is shown, which FFmpeg's writers guess."""

from __future__ import annotations

import struct
import zlib
from typing import BinaryIO, Iterator, NamedTuple

_ANMF = 12  # bytes in an ANMF chunk before the duration: position and size of the frame
_FCTL = 20  # bytes in an fcTL chunk before the delay: number, size and position of the frame


class _Chunk(NamedTuple):
    name: bytes
    start: int  # of its data in the file
    size: int


def complete(file: BinaryIO, name: str, total_ms: int) -> None:
    """Let the last frame of a whole ``webp`` or ``apng`` last until ``total_ms``, in place."""
    (_complete_webp if name == "webp" else _complete_apng)(file, total_ms)


def _complete_webp(file: BinaryIO, total_ms: int) -> None:
    frames = [chunk for chunk in _chunks(file, 12, "<4sI", 0, 2) if chunk.name == b"ANMF"]
    shown = 0
    for number, frame in enumerate(frames, 1):
        file.seek(frame.start + _ANMF)
        if number < len(frames):
            shown += int.from_bytes(file.read(3), "little")
        else:
            file.write(max(1, total_ms - shown).to_bytes(3, "little"))


def _complete_apng(file: BinaryIO, total_ms: int) -> None:
    frames = [chunk for chunk in _chunks(file, 8, ">I4s", 4, 1) if chunk.name == b"fcTL"]
    shown = 0.0
    for number, frame in enumerate(frames, 1):
        file.seek(frame.start)
        data = file.read(frame.size)
        if number < len(frames):
            count, unit = struct.unpack_from(">HH", data, _FCTL)
            shown += count * 1000 / (unit or 100)
            continue
        left = min(max(1, round(total_ms - shown)), 0xFFFF)
        data = data[:_FCTL] + struct.pack(">HH", left, 1000) + data[_FCTL + 4 :]
        file.seek(frame.start)
        file.write(data + struct.pack(">I", zlib.crc32(b"fcTL" + data)))


def _chunks(file: BinaryIO, at: int, head: str, tail: int, even: int) -> Iterator[_Chunk]:
    """All chunks from a place on: their heads are packed so, ``tail`` bytes follow each one."""
    while True:
        file.seek(at)
        raw = file.read(8)
        if len(raw) < 8:
            return
        first, second = struct.unpack(head, raw)
        name, size = (first, second) if isinstance(first, bytes) else (second, first)
        yield _Chunk(name, at + 8, size)
        at += 8 + size + size % even + tail
