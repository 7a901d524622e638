"""The report: a Parquet file a shard, a row a photo. `pandas.read_parquet` takes the whole folder.

A part is written when all of its shard is done, whole or not at all, and replaces the one that an
earlier run made of the same shard. So no photo is in it twice, whatever was done twice.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, Iterable, Iterator

import pyarrow
import pyarrow.parquet

from bshm import disk
from bshm.batch import outputs, stores
from bshm.batch.outputs import Output
from bshm.batch.run import Result
from bshm.batch.stores import StorePath
from bshm.errors import InputError

ENDING = ".parquet"
_BOX = pyarrow.struct([(side, pyarrow.int32()) for side in ("top", "bottom", "left", "right")])
SCHEMA = pyarrow.schema(
    [
        ("input", pyarrow.string()),
        ("output", pyarrow.string()),  # null where it failed
        ("matte", pyarrow.string()),
        ("status", pyarrow.string()),  # done or failed; skipped where it was no photo
        ("code", pyarrow.string()),  # of `bshm.errors`, where it failed
        ("reason", pyarrow.string()),
        ("width", pyarrow.int32()),
        ("height", pyarrow.int32()),
        ("coverage", pyarrow.float32()),
        ("box", _BOX),  # null where nobody was found
        ("ms", pyarrow.float32()),  # milliseconds of all stages
        (
            "state",
            pyarrow.string(),
        ),  # of the photo, its recipe and the weights, as --skip-existing asks
    ]
)


def part(folder: Output, key: str) -> Output:
    """The part of a shard."""
    return folder / (key + ENDING)


def row(result: Result, state: str) -> dict[str, Any]:
    """What the report says of one photo."""
    job, error = result.job, result.error
    return {
        "input": str(job.source.path) if job.source.path else job.source.name,
        "output": None if error or job.output is None else str(job.output),
        "matte": None if error or job.matte is None else str(job.matte),
        "status": result.status.value,
        "code": error.code if error else None,
        "reason": error.reason if error else None,
        "width": result.width or None,
        "height": result.height or None,
        "coverage": result.coverage,
        "box": result.box and result.box._asdict(),
        "ms": sum(result.timings.values()),
        "state": state,
    }


def write(place: Output, rows: Iterable[dict[str, Any]]) -> None:
    """Write a part. Raises OutputError."""
    file = io.BytesIO()
    table = pyarrow.Table.from_pylist([_plain(each) for each in rows], SCHEMA)
    pyarrow.parquet.write_table(table, file)
    outputs.write_file(place, file.getvalue(), may_replace_foreign=True)


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """Names that are no text, as some files have, as text."""
    return {
        name: value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        if isinstance(value, str)
        else value
        for name, value in row.items()
    }


def read(place: Output) -> list[dict[str, Any]]:
    """The rows of a part; none where it is not there, damaged, or none of ours.

    Raises InputError where it cannot be read.
    """
    file = io.BytesIO(data(place))
    try:
        table = pyarrow.parquet.read_table(file)
        return table.to_pylist() if table.schema.names == SCHEMA.names else []
    except (pyarrow.ArrowException, OSError, ValueError):  # as the damage has it
        return []


def data(place: Output) -> bytes:
    """The bytes of a file; none where it is not there. Raises InputError."""
    try:
        if isinstance(place, StorePath):
            return stores.read(place, disk.LIMIT)
        return disk.read(str(place), str(place), disk.LIMIT)
    except InputError as error:
        if error.code == "not_found":
            return b""
        raise


def keys(folder: Output) -> Iterator[str]:
    """The shards whose parts are there; none where there is no folder. Raises InputError."""
    try:
        for name in _names(folder):
            if name.endswith(ENDING):
                yield name[: -len(ENDING)]
    except InputError as error:
        if error.code != "not_found":
            raise


def _names(folder: Output) -> Iterator[str]:
    if isinstance(folder, StorePath):
        return (entry.place.address.rpartition("/")[2] for entry in stores.walk(folder, False))
    return (path.name for path in Path(folder).glob("*"))


def remove(place: Output) -> None:
    """Remove a file of an earlier run. Raises OutputError, and OSError of a disk."""
    if isinstance(place, StorePath):
        stores.remove(place)
    else:
        place.unlink()
