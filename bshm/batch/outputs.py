"""What goes where: a name for each cutout, no input overwritten, finished cutouts recognised.

A finished output bears a mark: a hash of which photo it was made from, and of which state of it.
"""

from __future__ import annotations

import hashlib
import os
import stat
from functools import partial
from pathlib import Path
from typing import Callable, Iterable, Iterator, NamedTuple

from bshm import disk
from bshm.batch.names import NAME_BYTES, fit, folded
from bshm.batch.sources import Kind, Source
from bshm.codec import png
from bshm.errors import OutputError
from bshm.pipeline import Recipe


class Job(NamedTuple):
    """One photo and where its cutout goes.

    write: takes the finished bytes; raises OutputError
    output: the file that ``write`` makes; None for a stream
    may_replace_foreign_file: the user named this very file, or said so
    """

    source: Source
    write: Callable[[bytes], None]
    output: Path | None = None
    may_replace_foreign_file: bool = False


def to_file(source: Source, path: Path, may_replace_foreign_file: bool = False) -> Job:
    """The job of writing a photo's cutout to a file."""
    return Job(source, partial(disk.write_atomic, path), path, may_replace_foreign_file)


def plan(sources: Iterable[Source], folder: Path, replace: bool = False) -> Iterator[Job]:
    """Give each source a PNG of its own below ``folder``, as ``<stem>.png``.

    replace: whether files that bshm did not make may be replaced

    A name that an earlier source took gets a number. Raises nothing: a source whose cutout would
    overwrite an input keeps that path, and :class:`OverwriteGuard` refuses it.
    """
    taken: set[str] = set()
    numbers: dict[str, int] = {}
    for source in sources:
        place = folder / source.parent
        key = folded(os.path.join(str(place), source.stem))
        number = numbers.get(key, 1)
        while True:
            ending = ("-%d" % number if number > 1 else "") + ".png"
            output = place / (fit(source.stem, NAME_BYTES - len(ending)) + ending)
            number += 1
            if folded(str(output)) not in taken:
                break
        numbers[key] = number
        taken.add(folded(str(output)))
        yield to_file(source, output, replace)


def mark(source: Source, recipe: Recipe) -> str:
    """What a finished output says of its photo: what it is, where it was, its size and time.

    It is a hash, for outputs are shown to others, and addresses may hold keys. Take it before
    reading: if the photo changes during the run, the mark will not match next time.
    """
    identity = [source.address or source.name]  # all that is known of a photo on the web
    if source.kind is Kind.FILE:
        try:
            status = os.stat(str(source.path))
            path = os.path.abspath(str(source.path))
            identity = [path, str(status.st_size), str(status.st_mtime_ns)]
        except (OSError, ValueError):  # reading it will tell
            identity = [os.urandom(16).hex()]
    elif source.kind is Kind.STDIN:  # may be another photo each time
        identity = [os.urandom(16).hex()]
    digest = hashlib.sha256("\0".join(identity).encode("utf-8", "backslashreplace"))
    return "%s %s" % (recipe.fingerprint(), digest.hexdigest())


def is_done(job: Job, recipe: Recipe) -> bool:
    """Whether the output is there, whole, and of this very photo."""
    return job.output is not None and png.is_finished_png(job.output, mark(job.source, recipe))


class OverwriteGuard:
    """Keeps a run from writing to the files that it reads, and to others of the user's."""

    def __init__(self, jobs: Iterable[Job]) -> None:
        self._known: set = set()
        for job in jobs:
            if job.source.kind is Kind.FILE and job.source.path:
                self._known.update(_identities(job.source.path))
            elif job.source.kind is Kind.STDIN:
                self._known.update(_stdin_identity())

    def check(self, job: Job) -> None:
        """Raise OutputError where a job's output would overwrite one of the files that are read.

        A file that bears no mark is refused as well: another tool's, or changed since by the user.
        """
        if job.output is None:
            return
        name, would = job.source.name, "its cutout %s would overwrite " % job.output
        if self._known.intersection(_identities(job.output)):
            raise OutputError(would + "an input", name, "would_overwrite_input")
        foreign = os.path.isfile(str(job.output)) and not png.is_own_png(job.output)
        if foreign and not job.may_replace_foreign_file:
            what = "a file that bshm did not make, or that was changed since"
            raise OutputError(would + what, name, "foreign_file")


def _stdin_identity() -> Iterator[object]:
    """What identifies a file that the shell put on standard input."""
    try:
        status = os.fstat(0)
    except OSError:  # closed
        return
    if stat.S_ISREG(status.st_mode) and status.st_ino:
        yield status.st_dev, status.st_ino


def _identities(path: Path) -> Iterator[object]:
    """What identifies a file: its real path and, if it is there, its number on the disk.

    The number tells where two spellings are one file: where case is ignored, or of hard links.
    """
    try:
        yield os.path.realpath(str(path))
        status = os.stat(str(path))
    except (OSError, ValueError):
        return
    if status.st_ino:
        yield status.st_dev, status.st_ino
