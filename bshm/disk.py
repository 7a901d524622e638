"""Local files: read within a limit and without waiting for anybody, written whole or not at all."""

from __future__ import annotations

import codecs
import contextlib
import errno
import io
import os
import re
import select
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Iterator

from bshm.errors import InputError, OutputError

if TYPE_CHECKING:
    from mmap import mmap

LIMIT = 1 << 30  # bytes of one photo, unless the caller says otherwise
TRIES = 10  # times that a file is made while other runs clear up beside it

# Two letters at least: C:/photo.jpg is a path.
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+)://", re.IGNORECASE)

# What a process inherited from its shell: `<(command)` and `/dev/stdin` may well be pipes.
_DESCRIPTOR = re.compile(r"/dev/(stdin|fd/[0-9]+)|/proc/(self|[0-9]+)/fd/[0-9]+")
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}

_WRITE_ERRORS = {
    errno.ENOSPC: "the disk is full",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "no permission to write there",
    errno.EPERM: "no permission to write there",
    errno.ENAMETOOLONG: "the file name is too long",
    errno.EISDIR: "it is a folder",
    errno.ENOTDIR: "a part of its path is a file, not a folder",
    errno.EEXIST: "a part of its path is a file, not a folder",
    errno.EFBIG: "the file is larger than the system allows",
}

_NO_SPACE = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))


def scheme(text: str) -> str:
    """Of an address its scheme, in small letters; empty for a path of this disk."""
    found = _SCHEME.match(text)
    return found.group(1).lower() if found else ""


def text_lines(file: BinaryIO) -> Iterator[str]:
    """The lines of a text: UTF-8, or UTF-16 where it begins with a byte order mark, as Windows' do.

    Raises ValueError for a file that is no text.
    """
    raw = io.BufferedReader(file)  # type: ignore[type-var]  # it need not be a whole RawIOBase
    start = raw.peek(1024)
    encoding, errors = "utf-8-sig", "surrogateescape"  # names of files may be of any bytes
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding, errors = "utf-16", "strict"
    elif b"\0" in start:
        raise ValueError("a binary file, no list")
    yield from io.TextIOWrapper(raw, encoding, errors)


def takes_a_stream(path: str) -> bool:
    """Whether a device or a pipe is there, which is written to as it is."""
    return os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path)


def read(path: str, name: str, limit: int) -> bytes:
    """All of a file of at most ``limit`` bytes; messages call it ``name``. Raises InputError."""
    inherited = _DESCRIPTOR.fullmatch(path)
    # Should a named pipe take the file's place meanwhile, opening it must not wait for a writer.
    extra = 0 if inherited else getattr(os, "O_NONBLOCK", 0)
    try:
        status = os.stat(path)
        kind = _KINDS.get(stat.S_IFMT(status.st_mode))
        if kind and not inherited:
            code = "named_pipe" if stat.S_ISFIFO(status.st_mode) else "not_a_file"
            raise InputError("is %s, not a photo" % kind, name, code)
        with open(path, "rb", opener=lambda path, flags: os.open(path, flags | extra)) as file:
            _refuse_terminal(file, name, "a photo")
            return _drain(file, name, limit, status.st_size)
    except OSError as error:
        reason = "cannot be read: %s" % (error.strerror or error)
        code = "not_found" if isinstance(error, FileNotFoundError) else "unreadable"
        raise InputError(reason, name, code) from error


def read_stdin(limit: int) -> bytes:
    """All of stdin, at most ``limit`` bytes. Raises InputError."""
    with stdin("a photo") as file:
        return _drain(file, "stdin", limit)


@contextlib.contextmanager
def stdin(kind: str) -> Iterator[BinaryIO]:
    """stdin, to be read for a file of that kind. Raises InputError, also where reading fails."""
    if sys.stdin is None:
        raise InputError("is closed", "stdin", "unreadable")
    try:
        _refuse_terminal(sys.stdin.buffer, "stdin", kind)
        yield sys.stdin.buffer
    except OSError as error:
        raise InputError("cannot be read: %s" % error.strerror, "stdin", "unreadable") from error


def _refuse_terminal(file: BinaryIO, name: str, kind: str) -> None:
    if file.isatty():
        raise InputError("is a terminal; pipe %s in" % kind, name, "not_a_file")


def read_some(file: BinaryIO, size: int) -> bytes:
    """At most ``size`` bytes, as soon as there are any; none at the end."""
    while True:
        part = file.read(size)
        if part is not None:
            return part
        select.select([file], [], [])  # another program made the pipe non-blocking; it is empty now


def _drain(file: BinaryIO, name: str, limit: int, expected: int = 0) -> bytes:
    """All of a file, but no more than ``limit`` bytes, in one piece if the size is known."""
    parts: list[bytes] = []
    size = 0
    while size <= limit and expected <= limit:
        # A read of one byte too many meets the end of a file of the expected size.
        part = read_some(file, max(expected - size + 1, 1 << 16))
        if not part:
            return b"".join(parts)
        parts.append(part)
        size += len(part)
    raise InputError("is larger than the limit of %.0f MB" % (limit / 1e6), name, "too_large")


def write_atomic(path: Path, data: bytes | mmap) -> None:
    """Write a file so that it is there whole or not at all, as `written_whole` does.

    A device or a pipe (``/dev/stdout``) is written to as it is. Raises OutputError.
    """
    try:
        is_stream = takes_a_stream(str(path))
        with open(str(path), "wb") if is_stream else written_whole(path) as file:
            file.write(data)
    except (OSError, ValueError) as error:  # ValueError: a name that cannot be encoded
        raise not_written(path, error) from error


@contextlib.contextmanager
def written_whole(path: Path, synced: bool = False) -> Iterator[BinaryIO]:
    """A file to be written, which is there under its name once it is whole, or not at all.

    A hidden file beside it is written and renamed, and removed on any failure. Parent folders are
    made, and a symbolic link is followed.

    synced: the file is on the disk before it has its name

    Raises OutputError for whatever the system has against it.
    """
    try:
        refuse_folder(path)
        target = os.path.realpath(str(path))
        file = _scratch(os.path.dirname(target))
        try:
            with file:
                yield file
                file.flush()
                if synced:
                    os.fsync(file.fileno())
                if os.name != "nt":  # Windows renames no open file, and removes none
                    os.replace(file.name, target)
            if os.name == "nt":
                os.replace(file.name, target)
        finally:
            with contextlib.suppress(OSError):  # gone after the rename
                os.unlink(file.name)
    except OSError as error:
        raise not_written(path, error) from error


def _scratch(folder: str) -> BinaryIO:
    """A new hidden file in a folder, which is made. It is locked, so that `clear_up` leaves it."""
    for left in reversed(range(TRIES)):
        try:
            os.makedirs(folder, exist_ok=True)
            # Not tempfile: its files are for their owner only, whatever the umask.
            file = open(_hidden(folder), "x+b")  # noqa: SIM115 - whoever writes it closes it
        except (FileNotFoundError, FileExistsError):  # another run that tried the folder removes it
            if not left:
                raise
            continue
        try:
            lock(file)
        except BlockingIOError:  # another run saw it before it was locked, and removes it
            file.close()
            continue
        except OSError:  # not every file system has locks
            return file
        if os.path.exists(file.name):
            return file
        file.close()
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), folder)


def _hidden(folder: str) -> str:
    """A name in a folder that nobody else has, and that `clear_up` knows."""
    return os.path.join(folder, ".bshm-%s.tmp" % os.urandom(8).hex())


def refuse_folder(path: Path) -> None:
    """Raise OutputError where a folder is in the place of a file that is to be written."""
    if os.path.isdir(str(path)):
        raise not_written(path, IsADirectoryError(errno.EISDIR, ""))


def not_written(path: Path, error: Exception) -> OutputError:
    """What the system had against writing there, in words."""
    number = error.errno if isinstance(error, OSError) else None
    reason = _WRITE_ERRORS.get(number or 0, getattr(error, "strerror", None) or error)
    code = "disk_full" if number in _NO_SPACE else "not_written"
    return OutputError("cannot be written: %s" % reason, str(path), code)


def try_folder(path: Path) -> None:
    """Raise OutputError where a file of this path could not be made. Leaves nothing behind."""
    if takes_a_stream(str(path)):
        return
    try:
        folder = os.path.dirname(os.path.realpath(str(path)))
        scratch = _hidden(folder)
        made = _missing(folder)
        try:
            os.makedirs(folder, exist_ok=True)
            with open(scratch, "xb") as file:
                file.write(bytes(4096))  # a file without bytes fits on a full disk
        finally:
            with contextlib.suppress(OSError):
                os.unlink(scratch)
            for folder in made:
                with contextlib.suppress(OSError):  # never made, or another run uses it by now
                    os.rmdir(folder)
    except FileNotFoundError:  # another run that tries the folder removed it; writing makes it
        pass
    except (OSError, ValueError) as error:
        raise not_written(path, error) from error


def _missing(folder: str) -> list[str]:
    """A folder and those above it that are not there, the lowest first."""
    missing = []
    while not os.path.lexists(folder) and folder != os.path.dirname(folder):
        missing.append(folder)
        folder = os.path.dirname(folder)
    return missing


def clear_up(folder: Path) -> None:
    """Remove what runs that were killed in the midst of writing left in a folder.

    Files that another run is writing are locked, and stay. Raises nothing.
    """
    with contextlib.suppress(OSError):
        for name in os.listdir(str(folder)):
            if re.fullmatch(r"\.bshm-[0-9a-f]{16}\.tmp", name):
                scratch = os.path.join(str(folder), name)
                with contextlib.suppress(OSError):
                    with open(scratch, "r+b") as file:  # NFS locks no file opened to be read
                        lock(file)
                        if os.name != "nt":  # unlocked, it might be another run's by then
                            os.unlink(scratch)
                    if os.name == "nt":
                        os.unlink(scratch)


def lock(file: BinaryIO) -> None:
    """Lock an open file until it is closed.

    Raises BlockingIOError where another process has, OSError where the file system has no locks.
    """
    if os.name != "nt":
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
