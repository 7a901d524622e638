"""What goes where: a name for each cutout, no input overwritten, and finished ones known again.

A finished output bears a mark: a hash of which photo it was made from, and of which state of it.
"""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Iterable, Iterator, NamedTuple

from bshm.batch.names import NAME_BYTES, fit, folded
from bshm.codec import png
from bshm.errors import OutputError

if TYPE_CHECKING:
    from bshm.batch.sources import Source


class Job(NamedTuple):
    """One photo and where its cutout goes: a PNG file, or None for standard output."""

    source: Source
    output: Path | None
    chosen: bool = False  # by the user, as a file and not only as a folder


def plan(sources: Iterable[Source], folder: Path) -> Iterator[Job]:
    """Give each source a PNG of its own below ``folder``, as ``<stem>.png``.

    A name that an earlier source took gets a number. Raises nothing: a source whose cutout would
    overwrite an input keeps that path, and :class:`Inputs` refuses it.
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
        yield Job(source, output)


def mark(source: Source, only_alpha: bool) -> str:
    """What a finished output says of its photo: what it is, where it was, its size and time.

    As a hash, for outputs are shown to others, and addresses may hold keys. To be taken before
    the photo is read: should it change meanwhile, the mark is an older one and fits no more.
    """
    state: tuple = ()  # of an address nothing more is known
    if source.path:
        try:
            status = os.stat(str(source.path))
            state = os.path.abspath(str(source.path)), status.st_size, status.st_mtime_ns
        except (OSError, ValueError):  # reading it will tell
            state = (os.urandom(16),)
    elif source.name == "stdin":  # may be another one each time
        state = (os.urandom(16),)
    kind = "alpha" if only_alpha else "cutout"
    identity = "%s %r" % ("" if source.path else source.name, state)
    return "%s %s" % (
        kind,
        hashlib.sha256(identity.encode("utf-8", "backslashreplace")).hexdigest(),
    )


def is_done(job: Job, only_alpha: bool) -> bool:
    """Whether the output is there, whole, and of this very photo."""
    return job.output is not None and png.is_finished_png(job.output, mark(job.source, only_alpha))


class Inputs:
    """The files that a run reads, and so must not write."""

    def __init__(self, jobs: Iterable[Job]) -> None:
        self._known: set = set()
        for job in jobs:
            if job.source.path:
                self._known.update(_identities(job.source.path))
            elif job.source.name == "stdin":
                self._known.update(_stdin_identity())

    def spare(self, job: Job) -> None:
        """Raise OutputError where a job's output would overwrite one of them.

        Nor may it overwrite what lies beside its photo and is no cutout: another photo, likely.
        """
        if job.output is None:
            return
        if self._known.intersection(_identities(job.output)):
            flaw = "its cutout %s would overwrite an input"
        elif not job.chosen and _is_beside(job) and not png.is_own_png(job.output):
            flaw = "its cutout %s would overwrite a file that bshm did not make"
        else:
            return
        raise OutputError(
            "%s: %s; choose another folder with -d" % (job.source.name, flaw % job.output)
        )


def _is_beside(job: Job) -> bool:
    """Whether a job's output is there already, in the folder of its photo."""
    if not job.source.path or not os.path.isfile(str(job.output)):
        return False
    folders = [os.path.dirname(str(path)) for path in (job.source.path, job.output)]
    return os.path.realpath(folders[0]) == os.path.realpath(folders[1])


def _stdin_identity() -> Iterator[object]:
    """By what a file is known that the shell put on standard input."""
    try:
        status = os.fstat(0)
    except OSError:  # closed
        return
    if stat.S_ISREG(status.st_mode) and status.st_ino:
        yield status.st_dev, status.st_ino


def _identities(path: Path) -> Iterator[object]:
    """By what a file is known: its real path and, if it is there, its number on the disk.

    The number tells where two spellings are one file: where case is ignored, or of hard links.
    """
    try:
        yield os.path.realpath(str(path))
        status = os.stat(str(path))
    except (OSError, ValueError):
        return
    if status.st_ino:
        yield status.st_dev, status.st_ino
