"""What goes where: a name for each cutout, no input overwritten, finished cutouts recognised.

A finished output bears a mark: a hash of which photo it was made from, and of which state of it.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import stat
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Callable, Iterable, Iterator, NamedTuple, Union

from bshm import disk
from bshm.batch import stores
from bshm.batch.names import NAME_BYTES, STEM, fit, folded, printable
from bshm.batch.sources import Kind, Source
from bshm.batch.stores import StorePath
from bshm.codec import marks
from bshm.codec.encode import ENDINGS
from bshm.errors import InputError, OutputError
from bshm.pipeline import Recipe

if TYPE_CHECKING:
    from typing import Protocol  # of Python 3.8
else:
    Protocol = object

MATTE_ENDING = "_matte.png"  # what the name of a matte beside its cutout ends in
Output = Union[Path, StorePath]  # on a disk, or in a store


class Taken(Protocol):
    """A set of names."""

    def __contains__(self, name: object) -> bool: ...

    def update(self, names: Iterable[str]) -> None: ...


class Job(NamedTuple):
    """One photo and where its cutout goes.

    write: takes the finished bytes; raises OutputError
    output: the file that ``write`` makes; None for a stream
    may_replace_foreign_file: the user named this very file, or said so
    matte: the file that the matte is written to as well; None where it is not wanted
    may_replace_foreign_matte: the user said so
    """

    source: Source
    write: Callable[[bytes], None]
    output: Output | None = None
    may_replace_foreign_file: bool = False
    matte: Output | None = None
    may_replace_foreign_matte: bool = False


def to_file(
    source: Source,
    path: Output,
    may_replace_foreign_file: bool = False,
    matte: Output | None = None,
    may_replace_foreign_matte: bool = False,
) -> Job:
    """The job of writing a photo's cutout to a file, and its matte to another if there is one."""
    write = partial(write_file, path, may_replace_foreign=may_replace_foreign_file)
    return Job(source, write, path, may_replace_foreign_file, matte, may_replace_foreign_matte)


def to_output(text: str) -> Output:
    """The file or folder that a text names. Raises BshmError for a store out of reach."""
    if not stores.is_address(text):
        return Path(text)
    stores.check(text)
    return StorePath(text)


def identity(output: Output) -> str:
    """A text that tells a file or folder from all others; it holds no password."""
    return output.bare if isinstance(output, StorePath) else str(output)


def write_file(output: Output, data: bytes, may_replace_foreign: bool = False) -> None:
    """Write a file whole or not at all. Raises OutputError.

    may_replace_foreign: whether one in a store may be replaced that bshm did not make; of those on
        a disk, `OverwriteGuard` knows before anything is read
    """
    if isinstance(output, StorePath):
        stores.write(output, data, may_replace_foreign)
    else:
        disk.write_atomic(output, data)


def try_folder(output: Output) -> None:
    """Raise OutputError where a file of this path could not be made."""
    if isinstance(output, StorePath):
        stores.try_folder(output)
    else:
        disk.try_folder(output)


def plan(
    sources: Iterable[Source],
    folder: Output,
    name: str = STEM,
    format: str = "png",
    both: bool = False,
    replace: bool = False,
    taken: Taken | None = None,
) -> Iterator[Job]:
    """Give each source a file of its own below ``folder``, as ``<stem>.png``.

    A name that an earlier source took gets a number. Raises nothing: a source whose cutout would
    overwrite an input keeps that path, and :class:`OverwriteGuard` refuses it.

    name: of the files, without ending; ``{stem}`` in it stands for the photo's
    format: of the files, as `bshm.codec.encode` calls it
    both: give it a PNG for the matte as well, as ``<stem>_matte.png``
    replace: whether files that bshm did not make may be replaced
    taken: where the names that are given are remembered; None is in memory
    """
    taken = set() if taken is None else taken
    numbers: dict[str, int] = {}
    for source in sources:
        place = folder / source.parent
        # By the name and not by the photo's: all of them may be called the same.
        key = folded(identity(place / _fill(name + ENDINGS[format][0], source.stem)))
        number = numbers.get(key, 1)
        while True:
            counted = name + ("-%d" % number if number > 1 else "")
            output = place / _fill(counted + ENDINGS[format][0], source.stem)
            matte = place / _fill(counted + MATTE_ENDING, source.stem) if both else None
            number += 1
            files = {folded(identity(path)) for path in (output, matte) if path}
            if not any(file in taken for file in files):
                break
        if number > 2:  # most names need none, and are not remembered for it
            numbers[key] = number
        taken.update(files)
        yield to_file(source, output, replace, matte, replace)


def _fill(name: str, stem: str) -> str:
    """A name with a photo's stem in it, as much of that as there is room for."""
    room = NAME_BYTES - len(name.replace(STEM, "").encode("utf-8", "replace"))
    return name.replace(STEM, fit(stem, max(1, room // max(1, name.count(STEM)))))


def mark(source: Source, recipe: Recipe) -> str:
    """What a finished output says of itself: its recipe, and its photo's place, size and time.

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
    elif source.kind is Kind.STORED:
        identity.append(source.state)
    elif source.kind is Kind.STDIN:  # may be another photo each time
        identity = [os.urandom(16).hex()]
    text = "\0".join([recipe.fingerprint(), *identity])
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()


def is_done(job: Job, recipe: Recipe) -> bool:
    """Whether all outputs are there, whole, of this very photo and by this recipe."""
    if job.output is None or not _is_finished(job.output, mark(job.source, recipe)):
        return False
    return job.matte is None or _is_finished(job.matte, mark(job.source, recipe.of_matte()))


def _is_finished(output: Output, mark: str) -> bool:
    if isinstance(output, StorePath):
        return stores.is_finished(output, mark)
    return marks.is_finished(output, mark)


class OverwriteGuard:
    """Keeps a run from writing to the files that it reads, and to others of the user's."""

    def __init__(
        self, jobs: Iterable[Job], others: Iterable[Source] = (), known: Iterable[object] = ()
    ) -> None:
        """Know what is read: the photos of the jobs, and others, such as lists and backgrounds.

        known: what is kept besides, as `read_by` and `written_by` identify it
        """
        self._known = set(known)
        for source in itertools.chain((job.source for job in jobs), others):
            self._known.update(read_by(source))

    def check(self, job: Job) -> None:
        """Raise OutputError where a job's output would overwrite one of the files that are read.

        A file that bears no mark is refused as well: another tool's, or changed since by the user.
        Of a store that is known only when it is written to. A folder in its place is refused, too.
        """
        if job.output is not None:
            self._check("cutout", job, job.output, job.may_replace_foreign_file)
        if job.matte is not None:
            self._check("matte", job, job.matte, job.may_replace_foreign_matte)

    def _check(self, what: str, job: Job, file: Output, may_replace: bool) -> None:
        name, would = job.source.name, "its %s %s would overwrite " % (what, file)
        met = self._known.intersection(written_by(file))
        overwrites = bool(met)
        if met and isinstance(file, StorePath) and _named(file) not in met:
            # What a folder lists may be our own of an earlier run; writing asks unless it may all.
            overwrites = may_replace and stores.is_foreign(file)
        if overwrites:
            raise OutputError(would + "an input", name, "would_overwrite_input")
        if isinstance(file, StorePath):
            return
        disk.refuse_folder(file)
        if not may_replace and os.path.isfile(str(file)) and not marks.is_own(file):
            foreign = "a file that bshm did not make, or that was changed since"
            raise OutputError(would + foreign, name, "foreign_file")


def read_by(source: Source) -> Iterator[object]:
    """What identifies the file of a photo, if it is one."""
    if source.kind is Kind.FILE and source.path:
        yield from _identities(source.path)
    elif source.kind is Kind.STORED:
        yield source.listed, source.address
    elif source.kind is Kind.STDIN:
        yield from _stdin_identity()


def written_by(file: Output) -> Iterator[object]:
    """What a file would be identified by if it were read as a photo, and its own name."""
    if isinstance(file, StorePath):
        yield _named(file)
        yield True, printable(file.bare)  # listed
    else:
        yield str(file)
        yield from _identities(file)


def _named(file: StorePath) -> tuple[bool, str]:
    return False, printable(file.bare)


def is_empty(folder: Output) -> bool:
    """Whether nothing is there for certain, not even a folder of a store."""
    try:
        if isinstance(folder, StorePath):
            return not stores.exists(folder)
        with os.scandir(str(folder)) as entries:
            return next(entries, None) is None
    except FileNotFoundError:
        return True
    except (InputError, OSError):
        return False


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
