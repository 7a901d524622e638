"""Many cutouts as one file, in the layout of WebDataset: ``x.png``, ``x.json`` and so on, by name.

A shard's cutouts are made as files in a folder of this machine's, then packed and written in one
piece: a store takes millions of large files better than hundreds of millions of small ones.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import mmap
import os
import tarfile
import tempfile
from pathlib import Path
from typing import Iterable, Iterator, NamedTuple

from bshm import disk
from bshm.batch import stores
from bshm.batch.outputs import Job, Output, to_file
from bshm.batch.run import Result, Status
from bshm.batch.stores import StorePath


class Sample(NamedTuple):
    """One photo of a tar file.

    job: as the plan has it
    local: the same, to a file of this machine's
    key: what the names of its members begin with; WebDataset ends it at the first dot
    """

    job: Job
    local: Job
    key: str


@contextlib.contextmanager
def room() -> Iterator[Path]:
    """A folder for the files of a shard, which is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="bshm-") as folder:
        yield Path(folder)


def samples(jobs: Iterable[Job], folder: Path) -> Iterator[Sample]:
    """Jobs that write to numbered files in a folder, and what their members will be called."""
    taken: set[str] = set()
    for number, job in enumerate(jobs):
        assert job.output is not None
        key = wanted = str(job.source.parent / job.output.stem.replace(".", "_"))
        again = 1
        while key in taken:
            again += 1
            key = "%s-%d" % (wanted, again)
        taken.add(key)
        ending = os.path.splitext(str(job.output))[1]
        matte = folder / ("%d_matte.png" % number) if job.matte else None
        yield Sample(
            job, to_file(job.source, folder / ("%d%s" % (number, ending)), matte=matte), key
        )


def pack(place: Output, made: Iterable[tuple[Sample, Result]], folder: Path) -> list[Result]:
    """Write a tar file of what was made, whole or not at all; the results, with members' names.

    Raises OutputError.
    """
    packed, results = folder / "shard.tar", []
    with tarfile.open(str(packed), "w") as tar:
        for sample, result in made:
            results.append(_add(tar, place, sample, result))
    _write(place, str(packed))
    return results


def _add(tar: tarfile.TarFile, place: Output, sample: Sample, result: Result) -> Result:
    local = sample.local
    members: dict[str, bytes] = {}
    output = matte = None
    if result.status is Status.DONE:
        assert local.output is not None
        output = sample.key + os.path.splitext(str(local.output))[1]
        members[output] = Path(str(local.output)).read_bytes()
        if local.matte:
            matte = sample.key + ".matte.png"
            members[matte] = Path(str(local.matte)).read_bytes()
        facts = {
            "input": sample.job.source.name,
            "width": result.width,
            "height": result.height,
            "coverage": round(result.coverage, 4),
            "box": result.box and result.box._asdict(),
        }
        members[sample.key + ".json"] = json.dumps(facts).encode()
    for name, data in members.items():
        info = tarfile.TarInfo(name)
        info.size = len(data)
        tar.addfile(info, io.BytesIO(data))
    job = sample.job._replace(
        output=place / output if output else None, matte=place / matte if matte else None
    )
    return dataclasses.replace(result, job=job)


def _write(place: Output, packed: str) -> None:
    if isinstance(place, StorePath):
        stores.upload(place, packed)
        return
    with open(packed, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        disk.write_atomic(place, data)
