"""Photos and cutouts in object stores, and wherever else fsspec reaches: ``s3://bucket/photos``.

Importing this module does not load fsspec. Keys and endpoints come from where each store's own
tools have them, such as ``AWS_PROFILE`` and ``AWS_ENDPOINT_URL``.
"""

from __future__ import annotations

import contextlib
import logging
import os
import posixpath
import re
from dataclasses import dataclass
from pathlib import PurePath, PurePosixPath
from typing import Any, Callable, Iterator, NamedTuple
from urllib.parse import urlsplit

from bshm import disk
from bshm.batch.names import printable
from bshm.codec import marks
from bshm.errors import (
    BshmError,
    InputError,
    OutputError,
    root_cause,
    root_of,
    without_secrets,
    without_secrets_in,
)

# Schemes whose stores show an object when all of it is there. Elsewhere a file is renamed then.
ATOMIC = ("s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oss", "memory")
# The packages that reach the stores that are used most, by the scheme of their addresses.
CLIENTS = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs"}
# What stores call the state of an object, the most telling first.
STATES = ("ETag", "etag", "md5Hash", "mtime", "LastModified", "last_modified", "created")

log = logging.getLogger("bshm")


def is_address(text: str) -> bool:
    """Whether a text is an address for this module: of no web server and no local file."""
    return disk.scheme(text) not in ("", "http", "https", "file")


# Addresses without password and query. What stands before an @ is a container of Azure's or a mere
# user, and a # is a sign of the file's name as any other.
_OPEN = re.compile(r"[^:/@?#]+://(?:[^:/@?#]+@)?[^@?]*")


@dataclass(frozen=True)
class StorePath:
    """Where something is in a store, as a Path is on a disk.

    address: as it was given; it may hold a password, and the text of a place does not
    """

    address: str

    def __str__(self) -> str:
        """The address as it may be shown."""
        return self.address if _OPEN.fullmatch(self.address) else without_secrets(self.address)

    def __repr__(self) -> str:
        return "StorePath(%s)" % self

    def __truediv__(self, below: str | PurePath) -> StorePath:
        path = PurePosixPath(below).as_posix()
        return self if path == "." else StorePath(self.address.rstrip("/") + "/" + path)

    @property
    def bare(self) -> str:
        """The address without user and password, which tells it from all others."""
        if "@" not in self.address or _OPEN.fullmatch(self.address):
            return self.address
        parts = urlsplit(self.address)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()

    @property
    def parent(self) -> StorePath:
        return StorePath(self.address.rpartition("/")[0])

    @property
    def stem(self) -> str:
        return os.path.splitext(self.address.rpartition("/")[2])[0]

    def with_name(self, name: str) -> StorePath:
        return self.parent / name


class Entry(NamedTuple):
    """A file of a store.

    parent: its folder, below the one that was listed
    state: a text that is another one when the file changes
    """

    place: StorePath
    parent: PurePath
    state: str


def exists(place: StorePath) -> bool:
    """Whether a file or folder of this very name is there. Raises InputError."""
    with _reaching(place, InputError) as (fs, path):
        return fs.exists(path)


def find(place: StorePath) -> Entry | None:
    """The file of this name, or None where a folder is. Raises InputError: nothing is there."""
    with _reaching(place, InputError) as (fs, path):
        try:
            info = fs.info(path)
        except FileNotFoundError as error:
            raise InputError("no such file or folder", _name(place), "not_found") from error
    return None if info["type"] == "directory" else Entry(place, PurePath(), _state(info))


def walk(place: StorePath, deep: bool) -> Iterator[Entry]:
    """The files in a folder, those of folders below too if ``deep``; hidden ones are left out.

    They come as the store lists them, page by page: however many there are, few are in memory.
    Raises InputError.
    """
    with _reaching(place, InputError) as (fs, root):
        begin = len(root.rstrip("/")) + 1
        for info in _infos(fs, root, deep):
            below = info["name"][begin:]  # as it is: to S3, a//b is another name than a/b
            parts = PurePosixPath(below).parts
            if not any(part.startswith(".") for part in parts):
                found = StorePath("%s/%s" % (place.address.rstrip("/"), below))
                yield Entry(found, PurePath(*parts[:-1]), _state(info))


def match(pattern: StorePath) -> Iterator[Entry]:
    """The files that a pattern means, in which ``**`` is any depth. Raises InputError."""
    with _reaching(pattern, InputError):
        from fsspec.utils import glob_translate

    fixed, wild = re.match(r"(.*?://(?:[^*?\[]*/)?)(.*)", pattern.address).groups()  # type: ignore[union-attr]
    expression = re.compile(glob_translate(wild))
    for entry in walk(StorePath(fixed.rstrip("/")), "/" in wild or "**" in wild):
        if expression.match(entry.place.address[len(fixed) :]):
            yield entry


def _infos(fs: Any, folder: str, deep: bool) -> Iterator[dict]:
    """What the store knows of each file below a folder."""
    if "s3" in _protocols(fs):  # its client would gather a folder of millions before it says one
        yield from _pages(fs, folder, deep)
        return
    waiting = [folder]
    while waiting:
        infos = sorted(fs.ls(waiting.pop(), detail=True), key=lambda info: info["name"])
        yield from (info for info in infos if info["type"] == "file")
        if deep:
            waiting += [info["name"] for info in reversed(infos) if info["type"] == "directory"]


def _pages(fs: Any, folder: str, deep: bool) -> Iterator[dict]:
    """The same of S3, a thousand files a request."""
    bucket, _, prefix = folder.partition("/")
    asked = {"Bucket": bucket, "Prefix": prefix and prefix.rstrip("/") + "/"}
    if not deep:
        asked["Delimiter"] = "/"
    while True:
        page = fs.call_s3("list_objects_v2", **asked)
        for known in page.get("Contents", ()):
            if not known["Key"].endswith("/"):  # what consoles make for a folder
                yield {**known, "name": bucket + "/" + known["Key"], "size": known["Size"]}
        if not page.get("IsTruncated"):
            return
        asked["ContinuationToken"] = page["NextContinuationToken"]


def _state(info: dict) -> str:
    found = next((str(info[key]) for key in STATES if info.get(key)), "")
    return "%s %s" % (info.get("size"), found)


def read(place: StorePath, limit: int) -> bytes:
    """All of a file of at most ``limit`` bytes. Raises InputError."""
    with _reaching(place, InputError) as (fs, path):
        data = _start(fs, path, limit + 1)
    if len(data) > limit:
        reason = "is larger than the limit of %.0f MB" % (limit / 1e6)
        raise InputError(reason, _name(place), "too_large")
    return data


def lines(place: StorePath) -> Iterator[str]:
    """The lines of a text file, read as they are asked for. Raises InputError."""
    with _reaching(place, InputError) as (fs, path), fs.open(path, "rb") as file:
        yield from disk.text_lines(file)


def write(place: StorePath, data: bytes, may_replace_foreign: bool = False) -> None:
    """Write a file so that it is there whole or not at all. Raises OutputError.

    may_replace_foreign: whether it may replace one that bshm did not make
    """
    with _reaching(place, OutputError) as (fs, path):
        if not may_replace_foreign and _is_foreign(fs, path):
            reason = "cannot be written: a file that bshm did not make, or that was changed since"
            raise OutputError(reason + ", is there", _name(place), "foreign_file")
        _put(fs, path, lambda target: fs.pipe_file(target, data))


def write_own(place: StorePath, data: bytes) -> None:
    """The same of a file whose name is bshm's own, such as of a report."""
    write(place, data, may_replace_foreign=True)


def upload(place: StorePath, local: str) -> None:
    """The same of a file of this disk, however large. Raises OutputError."""
    with _reaching(place, OutputError) as (fs, path):
        _put(fs, path, lambda target: fs.put_file(local, target))


def is_foreign(place: StorePath) -> bool:
    """Whether a file is there that bshm did not make. Raises OutputError where nobody can say."""
    with _reaching(place, OutputError) as (fs, path):
        return _is_foreign(fs, path)


def _is_foreign(fs: Any, path: str) -> bool:
    try:
        return not marks.begins_as_own(_start(fs, path, marks.START))
    except FileNotFoundError:
        return False


def _start(fs: Any, path: str, size: int) -> bytes:
    """The first bytes of a file, or all of them. Raises what the client raises."""
    try:
        return fs.cat_file(path, start=0, end=size)
    except FileNotFoundError:
        raise
    except OSError:
        if fs.size(path):
            raise
        return b""  # no range of an empty file satisfies S3


def _put(fs: Any, path: str, write: Callable[[str], Any]) -> None:
    if not _protocols(fs).isdisjoint(ATOMIC):
        write(path)
        return
    folder = posixpath.dirname(path)
    fs.makedirs(folder, exist_ok=True)
    scratch = posixpath.join(folder, ".bshm-%s.tmp" % os.urandom(8).hex())
    try:
        write(scratch)
        fs.mv(scratch, path)
    except BaseException:
        with contextlib.suppress(Exception):
            fs.rm_file(scratch)
        raise


def is_finished(place: StorePath, mark: str) -> bool:
    """Whether a file bears this mark and is whole. Raises OutputError where nobody can say."""
    with _reaching(place, OutputError) as (fs, path):
        try:
            with fs.open(path, "rb", block_size=marks.HEAD, cache_type="none") as file:
                return marks.bears(file, mark)
        except FileNotFoundError:
            return False


def remove(place: StorePath) -> None:
    """Remove a file. Raises OutputError."""
    with _reaching(place, OutputError) as (fs, path):
        fs.rm_file(path)


def try_folder(place: StorePath) -> None:
    """Raise OutputError, about its folder, where a file of this place could not be made."""
    scratch = place.with_name(".bshm-%s.tmp" % os.urandom(8).hex())
    try:
        write_own(scratch, b"")
    except OutputError as error:
        raise OutputError(error.reason, _name(place.parent), error.code) from error
    with contextlib.suppress(OutputError):  # who may write may not always remove
        remove(scratch)


def check(address: str) -> None:
    """Raise OutputError where a store of this address is out of reach for want of a package."""
    with _reaching(StorePath(address), OutputError):
        pass


def _protocols(fs: Any) -> set[str]:
    return {fs.protocol} if isinstance(fs.protocol, str) else set(fs.protocol)


def _name(place: StorePath) -> str:
    return printable(str(place))


def _remedy(error: ImportError, place: StorePath) -> str:
    """Why a place is not reached for want of a package, and what installs it."""
    module = (getattr(root_of(error), "name", None) or "").partition(".")[0]
    client = CLIENTS.get(disk.scheme(place.address))
    wanted = ["fsspec"] * (module == "fsspec") + [client or module]
    names = " ".join(dict.fromkeys(filter(None, wanted)))
    return printable(root_cause(error)) + (": pip install " + names if names else "")


@contextlib.contextmanager
def _reaching(place: StorePath, kind: type[InputError | OutputError]) -> Iterator[tuple[Any, str]]:
    """The file system of a place and the path there; no connection is opened for it.

    Whatever its client raises is an error of this kind: each client has its own, of many parents.
    """
    try:
        from fsspec.core import url_to_fs

        yield url_to_fs(place.address, use_listings_cache=False)
    except BshmError:
        raise
    except ImportError as error:
        reason = "needs another package; " + _remedy(error, place)
        raise kind(reason, _name(place), "extra_missing") from error
    except Exception as error:
        log.debug("%s", _name(place), exc_info=error)
        if isinstance(error, ValueError) and "rotocol not known" in str(error):
            reason = "is neither a path nor an address that fsspec knows"
            raise kind(reason, _name(place), "bad_address") from error
        user = urlsplit(place.address).netloc.rpartition("@")[0]
        said = root_cause(error).replace(user + "@", "") if user else root_cause(error)
        reading = kind is InputError
        if reading and isinstance(error, FileNotFoundError):
            raise kind("no such file or folder", _name(place), "not_found") from error
        reason = "cannot be %s: " % ("read" if reading else "written")
        reason += printable(without_secrets_in(said))
        raise kind(reason, _name(place), "unreadable" if reading else "not_written") from error
