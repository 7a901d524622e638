"""What is to be done: settings that do not change any more, and the photos, cut into shards.

Names come one after the other, as folders and stores list them, and of any number only a shard's
are in memory. A shard ends where a photo's own name says so, by its hash: photos that are new in a
folder change the shard that they fall into, and the others stay what they were.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import sqlite3
from dataclasses import dataclass
from typing import Iterable, Iterator, NamedTuple

from bshm import __version__, disk
from bshm.batch import outputs, sources, stores
from bshm.batch.names import STEM
from bshm.batch.outputs import Job, Output, OverwriteGuard
from bshm.batch.sources import Source
from bshm.pipeline import Recipe

CACHE_KB = 64_000  # of the names' set; what is beyond lies on the disk
REPORT = "bshm-report"  # the folder of the report, beside the cutouts


class Shard(NamedTuple):
    """Photos that are done together: what is done again where a machine is lost.

    key: names its part of the report; it stays the same while the photos before it do
    first: number of its first photo
    inputs: what identifies photos, of whichever shard, in whose place a cutout of this one would be
    """

    key: str
    first: int
    jobs: list[Job]
    inputs: frozenset[object] = frozenset()


@dataclass(frozen=True)
class Plan:
    """A job, frozen: whoever works on it, and whenever, makes the same of the same photos.

    inputs: as `bshm.batch.sources.iterate` takes them
    folder: where the cutouts go
    name, both, replace: see `bshm.batch.outputs.plan`
    recipes: one for all photos, or several, of which each photo takes the next
    weights, device, engine, threads: see `bshm.matting.AlphaMatting`; nothing is ``auto``
    sha256: of the weights' file
    size: photos of a shard, about
    tars: whether a shard's cutouts become one file
    skip_existing: whether photos are left out that the report has as done
    home: folder that relative paths start from
    version: of bshm
    backgrounds: the pictures that the recipes name
    """

    inputs: tuple[str, ...]
    folder: str
    recipes: tuple[Recipe, ...]
    weights: str
    sha256: str
    device: str
    engine: str
    threads: int
    size: int
    recursive: bool = False
    name: str = STEM
    both: bool = False
    replace: bool = False
    tars: bool = False
    skip_existing: bool = False
    home: str = ""
    version: str = __version__
    backgrounds: tuple[Source, ...] = ()

    @property
    def output(self) -> Output:
        return outputs.to_output(self.folder)

    @property
    def report(self) -> Output:
        """The folder of this job's report: the same for the same inputs and names of outputs."""
        return self.output / REPORT / self._job()

    def tar(self, key: str) -> Output:
        """The file of a shard's cutouts, which no other job's is called."""
        return self.output / ("%s-%s.tar" % (self._job(), key))

    def _job(self) -> str:
        inputs = tuple(_placed(named, self.home) for named in self.inputs)
        known = (inputs, self.recursive, self.name, self.both, self.tars, self.size)
        return _digest(repr(known))

    def go_home(self) -> None:
        """Let relative paths mean what they do for whoever made the plan, where that is here."""
        with contextlib.suppress(OSError):
            os.chdir(self.home or ".")

    def recipe(self, number: int) -> Recipe:
        """The recipe of a photo."""
        return self.recipes[number % len(self.recipes)]

    def state(self, job: Job, recipe: Recipe) -> str:
        """A text that changes with the photo, its recipe, the weights and where the cutout goes."""
        files = [outputs.identity(file) for file in (job.output, job.matte) if file]
        return _digest(repr((outputs.mark(job.source, recipe), self.sha256, files)))

    def shards(self) -> Iterator[Shard]:
        """The photos, by shards, each listed when it is asked for."""
        self.go_home()
        photos = sources.iterate(self.inputs, self.recursive)
        format = self.recipes[0].format
        jobs = outputs.plan(
            photos, self.output, self.name, format, self.both, self.replace, Names()
        )
        return _cut(jobs, self.size, self._inputs())

    def guard(self, shard: Shard) -> OverwriteGuard:
        """What keeps a shard's jobs from writing to what any shard reads."""
        others = [*sources.lists(self.inputs), *self.backgrounds]
        return OverwriteGuard(shard.jobs, others, shard.inputs)

    def _inputs(self) -> Names | None:
        """What identifies the photos that a cutout might be written over; None: there are none.

        They are listed for it before the first shard, for a shard may write where a later one
        reads. In an empty folder there is nothing to lose. Else, of what folders and patterns list
        nothing is replaced as long as files that bshm did not make are not.
        """
        if self.tars or outputs.is_empty(self.output):
            return None
        known = Names()
        for named in self.inputs:
            if self.replace and _are_apart(named, self.folder):
                continue
            for source in sources.iterate([named], self.recursive):
                if self.replace or not source.listed:
                    known.update(outputs.read_by(source))
                elif not named.startswith("@"):  # a list may name both
                    break
        return known


def _placed(named: str, home: str) -> str:
    """A name that means the same wherever it is read: a relative path from ``home`` on."""
    if named.startswith("@"):
        return "@" + _placed(named[1:], home)
    return named if disk.scheme(named) else os.path.abspath(os.path.join(home, named))


def _are_apart(named: str, folder: str) -> bool:
    """Whether what is named, but in a list, is in a store and cannot be below a folder."""
    if not (stores.is_address(named) and stores.is_address(folder)):
        return False
    fixed = re.split(r"[*?\[]", stores.StorePath(named).bare)[0].rstrip("/")
    below = stores.StorePath(folder).bare.rstrip("/")
    return not fixed.startswith(below) and not below.startswith(fixed)


def _cut(jobs: Iterable[Job], size: int, inputs: Names | None) -> Iterator[Shard]:
    """Shards of about ``size`` photos, of a quarter as many at least and twice as many at most.

    The fewer they have at least, the sooner the shards behind a new photo are what they were.
    """
    least = max(1, size // 4)
    key, first, shard = _digest(""), 0, []
    met: set[object] = set()
    for number, job in enumerate(jobs, 1):
        shard.append(job)
        if inputs is not None:
            met.update(_met(job, inputs))
        # No other photo's is called so, while a photo may be named twice.
        name = outputs.identity(job.output) if job.output else ""
        ends = _number(name) % max(1, size - least) == 0
        if (ends and len(shard) >= least) or len(shard) >= 2 * size:
            yield Shard(key, first, shard, frozenset(met))
            key, first, shard, met = _digest(name), number, [], set()
    if shard:
        yield Shard(key, first, shard, frozenset(met))


def _met(job: Job, inputs: Names) -> Iterator[object]:
    """What identifies the inputs in whose place a job would write."""
    for file in (job.output, job.matte):
        if file is None:
            continue
        met = [identity for identity in outputs.written_by(file) if identity in inputs]
        if met:
            yield from met
            yield str(file)  # other machines number their disks in another way


class Names:
    """Names that are taken, on the disk: of a hundred million, 2 GB."""

    def __init__(self) -> None:
        self._base = sqlite3.connect("", isolation_level=None)  # a file that goes with us
        self._base.execute("PRAGMA cache_size = -%d" % CACHE_KB)
        self._base.execute("PRAGMA journal_mode = OFF")
        self._base.execute("PRAGMA synchronous = OFF")
        self._base.execute("CREATE TABLE names (hash INTEGER PRIMARY KEY)")

    def __contains__(self, name: object) -> bool:
        asked = "SELECT 1 FROM names WHERE hash = ?"
        return self._base.execute(asked, (_number(name),)).fetchone() is not None

    def update(self, names: Iterable[object]) -> None:
        given = [(_number(name),) for name in names]
        self._base.executemany("INSERT OR IGNORE INTO names VALUES (?)", given)


def _number(name: object) -> int:
    """64 bits of a name's hash. Where two were equal, one would get a number that it needs not."""
    digest = hashlib.blake2b(os.fsencode(str(name)), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def _digest(text: str) -> str:
    return hashlib.blake2b(os.fsencode(text), digest_size=8).hexdigest()
