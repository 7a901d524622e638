"""What bshm made is known again, and what it did not make is not replaced.

A film has its mark at the end, in a part that players skip and that other programs leave out when
they write it; a frame of a sequence has that of a photo's cutout.
"""

from __future__ import annotations

import contextlib
import os
import re
import struct
import zlib
from pathlib import Path
from typing import BinaryIO, Iterator

from bshm.codec import marks
from bshm.errors import OutputError
from bshm.video.formats import Format

FRAME = "a frame of a film"  # the mark of a PNG
TIMES = "timestamps.txt"  # beside the PNGs
_TEXT = b"made by bshm"
_LENGTH = bytes([len(_TEXT)])
_BOX = struct.pack(">I4s", 8 + len(_TEXT), b"free") + _TEXT
_COMMENT = b"tEXt" + b"Software\0" + _TEXT
_CHUNK = struct.pack(">I", len(_COMMENT) - 4) + _COMMENT + struct.pack(">I", zlib.crc32(_COMMENT))
_IEND = b"\0\0\0\0IEND\xaeB`\x82"
# By the format's name: what stands in place of its last bytes, and how many these are.
_TAILS = {
    "webm": (b"\xec" + bytes([0x80 | len(_TEXT)]) + _TEXT, 0),  # EBML's Void
    "mov": (_BOX, 0),
    "mp4": (_BOX, 0),
    "gif": (b"\x21\xfe" + _LENGTH + _TEXT + b"\0\x3b", 1),
    "webp": (b"bshm" + struct.pack("<I", len(_TEXT)) + _TEXT, 0),
    "apng": (_CHUNK + _IEND, len(_IEND)),
}


def mark(file: BinaryIO, name: str) -> None:
    """Put the mark into a whole film of this format."""
    tail, instead = _TAILS[name]
    file.seek(-instead, os.SEEK_END)
    file.write(tail)
    if name == "webp":  # its beginning says how long it is
        size = file.tell()
        file.seek(4)
        file.write(struct.pack("<I", size - 8))


def is_own(film: Path) -> bool:
    """Whether a file ends as a film that bshm made. Raises nothing."""
    try:
        with open(str(film), "rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - 64))
            return file.read().endswith(tuple(tail for tail, _ in _TAILS.values()))
    except OSError:
        return False


def check(output: str, form: Format) -> None:
    """Raise OutputError where a film, or a frame of it, would replace what bshm did not make."""
    for path in _foreign(output, form):
        reason = "is there, and bshm did not make it, or it was changed since"
        raise OutputError(reason, str(path), "foreign_film")


def _foreign(output: str, form: Format) -> Iterator[Path]:
    if form.container:
        if os.path.isfile(output) and not is_own(Path(output)):
            yield Path(output)
        return
    pattern = png_pattern(output)
    frames = [path for _, path in _frames_at(pattern)]
    yield from (path for path in frames if not marks.is_own(path))
    times = Path(pattern).parent / TIMES
    if not frames and times.is_file():  # it has no mark; it is ours where our frames are
        yield times


def in_the_way(output: str, form: Format) -> list[Path]:
    """The files that are there under the names that a film, or its frames, will have."""
    if form.container:
        return [Path(output)] if os.path.isfile(output) else []
    return [path for _, path in _frames_at(png_pattern(output))]


def remove_frames(output: str, last: int) -> None:
    """Remove frames behind the last one: a longer film's, that bshm made before."""
    for number, path in _frames_at(png_pattern(output)):
        if number > last and marks.is_own(path):
            with contextlib.suppress(OSError):
                path.unlink()


def frame_path(pattern: str, number: int) -> Path:
    """Where a frame of a sequence is. A ``%`` in the folder's name stands for itself."""
    folder, name = os.path.split(pattern)
    return Path(folder, name % number)


def _frames_at(pattern: str) -> Iterator[tuple[int, Path]]:
    """The files that are there under the names of a sequence, with their numbers."""
    folder, name = os.path.split(pattern)
    words = re.split("(%[^a-zA-Z%]*[a-zA-Z%])", name)  # every second one stands for something
    words[::2] = map(re.escape, words[::2])
    words[1::2] = ("%" if word == "%%" else "([0-9]+)" for word in words[1::2])
    with contextlib.suppress(OSError):  # there is no such folder yet
        for found in sorted(os.listdir(folder or ".")):
            match = re.fullmatch("".join(words), found)
            if match and name % int(match.group(1)) == found:
                yield int(match.group(1)), Path(folder, found)


def png_pattern(output: str) -> str:
    """Of a sequence of PNGs, the names with ``%d`` in them; a folder gets ``%06d.png``."""
    name = os.path.basename(output)
    if not name.lower().endswith(".png"):
        return os.path.join(output, "%06d.png")
    try:
        if name % 1 != name % 2:
            return output
    except (TypeError, ValueError):
        pass
    raise OutputError(
        "is one PNG; a film is a folder of them, or a name with a number such as %06d.png",
        output,
        "no_number",
    )
