"""What the user named -> photos to do: a path, a folder, a quoted glob, a URL, an address in a
store, ``@FILE`` for a list of them, or ``-`` for stdin.

Outputs of earlier runs are recognised by their mark and left out, unless they are named one by one;
those in a store only when they are read, so that a listing costs no request a file. What cannot be
found becomes a photo that cannot be read, in its place, and the others go on.
"""

from __future__ import annotations

import enum
import glob
import os
import re
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePath
from typing import Callable, Iterable, Iterator, NoReturn, Sequence
from urllib.parse import SplitResult, unquote, urlsplit

from bshm import disk
from bshm.batch import stores
from bshm.batch.names import natural, printable, safe_stem
from bshm.batch.web import LIMITS, Limits, Web
from bshm.codec import marks
from bshm.codec.formats import EXTENSIONS
from bshm.errors import InputError, without_secrets


class Kind(enum.Enum):
    """Where a photo's bytes come from."""

    FILE = "file"
    URL = "url"
    STORED = "stored"
    STDIN = "stdin"
    MISSING = "missing"  # nothing is there to read; reading says why


OWN_CUTOUT = "own_cutout"  # the code of a listed file that proves to be a cutout
_ONLY_OURS = "nothing is there but cutouts that bshm made; to do one again, name its file"


@dataclass(frozen=True)
class Source:
    """One photo to do.

    name: what messages call it: the path or URL, fit for one line of a terminal
    stem: name of the output, without folder and extension
    read: gives the file's bytes; raises InputError
    kind: where they come from
    path: of a local file, else None
    address: of a photo on the web or in a store, without its password, else empty; it may hold
        other secrets
    state: of a file in a store, a text that is another one when the file changes
    listed: whether it was found in a folder or by a pattern; then it is a photo only if it bears
        no mark
    parent: folder of the output, relative: where the photo was below the folder that was named,
        when looking into folders below
    """

    name: str
    stem: str
    read: Callable[[], bytes] = field(repr=False, compare=False)
    kind: Kind
    path: Path | None = None
    parent: PurePath = field(default_factory=PurePath)
    address: str = field(default="", repr=False)
    state: str = ""
    listed: bool = False


def expand(
    inputs: Sequence[str],
    recursive: bool = False,
    limits: Limits = LIMITS,
    file_bytes: int = disk.LIMIT,
) -> list[Source]:
    """List the photos that ``inputs`` name, in that order; within folders in natural order.

    They are listed at once, before anything is written, so that a run never takes its own outputs
    for photos. See `iterate` for the rest.
    """
    return list(iterate(inputs, recursive, limits, file_bytes))


def iterate(
    inputs: Iterable[str],
    recursive: bool = False,
    limits: Limits = LIMITS,
    file_bytes: int = disk.LIMIT,
) -> Iterator[Source]:
    """The same one after the other: of any number, few are in memory.

    inputs: files, folders, glob patterns (``**`` is any depth), http(s) and file URLs, addresses
        that fsspec knows of files, folders and patterns, ``@FILE`` where a file has a photo a line,
        ``-``
    recursive: look into the folders below a folder, too
    limits: of what is fetched from URLs
    file_bytes: the largest file that is read, and the most that is taken from stdin

    Raises nothing for what is missing or unreadable: reading it does.
    """
    web = Web(limits)
    for named in inputs:
        if _is_list(named):
            yield from _listed(named[1:], file_bytes, web)
        else:
            yield from _expand_one(named, recursive, file_bytes, web)


def lists(inputs: Iterable[str], file_bytes: int = disk.LIMIT) -> Iterator[Source]:
    """The list files among what is named, which are read as the photos are."""
    for named in inputs:
        if _is_list(named):
            yield _by_name(named[1:], file_bytes)


def _is_list(named: str) -> bool:
    return named.startswith("@") and not os.path.lexists(named)


def _by_name(named: str, limit: int) -> Source:
    """A file of a disk or a store, without a look at it."""
    if stores.is_address(named):
        return _stored(stores.Entry(stores.StorePath(named), PurePath(), ""), limit)
    return _file(named, PurePath(), limit)


def _listed(named: str, limit: int, web: Web) -> Iterator[Source]:
    """The photos of a list file, one a line; but none that begins with ``#`` and is no file."""
    try:
        for line in _lines(named):
            photo = line.strip("\r\n")
            if not photo.strip() or (photo.startswith("#") and not os.path.lexists(photo)):
                continue
            if stores.is_address(photo):  # a look at each would be a request a photo
                yield _by_name(photo, limit)
            else:
                yield from _expand_one(photo, False, limit, web)
    except InputError as error:
        yield _unreadable("@" + named, error.reason, error.code)


def _lines(named: str) -> Iterator[str]:
    """The lines of a text file on a disk or in a store. Raises InputError."""
    if stores.is_address(named):
        yield from stores.lines(stores.StorePath(named))
        return
    try:
        with open(named, "rb", buffering=0) as file:
            yield from disk.text_lines(file)
    except (OSError, ValueError) as error:
        reason = "cannot be read: %s" % (getattr(error, "strerror", None) or error)
        raise InputError(reason, named, "unreadable") from error


def _expand_one(named: str, recursive: bool, limit: int, web: Web) -> Iterable[Source]:
    if named == "-":
        return [Source("stdin", "stdin", partial(disk.read_stdin, limit), Kind.STDIN)]
    if disk.scheme(named):
        try:
            address = urlsplit(named)
            _ = address.port  # raises ValueError where it is no number, as in user:pass/word@host
        except ValueError:
            return [_unreadable(named, "is not a valid address", "bad_address")]
        if address.scheme in ("http", "https"):
            return [_address(named, address, web)]
        if address.scheme != "file":
            return _in_store(named, recursive, limit)
        if address.netloc not in ("", "localhost"):
            return [_unreadable(named, "is neither a path nor an http(s) address", "bad_address")]
        from urllib.request import url2pathname  # loads the web's half of the standard library

        named = url2pathname(address.path)
    try:
        if b"\0" in os.fsencode(named):
            raise ValueError
        if os.path.isdir(named):
            return _folder(named, recursive, limit)
        if not os.path.lexists(named):
            if glob.has_magic(named):
                return _glob(named, recursive, limit)
            return [_unreadable(named, *_absence(named))]
    except ValueError:  # a NUL, or a character that no file name here can have
        return [_unreadable(named, "is not a file name", "not_found")]
    return [_file(named, PurePath(), limit)]


def _address(url: str, address: SplitResult, web: Web) -> Source:
    """A photo to fetch; the output's name comes from the URL's path, never from its query."""
    if not address.hostname:
        return _unreadable(url, "names no host", "bad_address")
    name = printable(without_secrets(url))
    bare = address._replace(netloc=address.netloc.rpartition("@")[2]).geturl()
    last = unquote(address.path.rstrip("/").rpartition("/")[2])
    stem = safe_stem(os.path.splitext(last)[0] or address.hostname or "photo")
    return Source(name, stem, partial(web.read, url, name), Kind.URL, address=printable(bare))


def _in_store(named: str, recursive: bool, limit: int) -> Iterator[Source]:
    """What an address in a store means: a file, a folder or a pattern."""
    place = stores.StorePath(named)
    try:
        # What is there by that very name is meant literally.
        if glob.has_magic(named) and not stores.exists(place):
            entries, code = stores.match(place), "not_found"
            reason = "nothing matches this pattern"
        else:
            single = stores.find(place)
            if single:
                yield _stored(single, limit)
                return
            entries = stores.walk(place, recursive)
            code = "no_photos" if recursive else "no_photos_here"
            reason = "no photos in this folder (%s)" % " ".join(EXTENSIONS)
        empty = True
        for entry in entries:
            if _is_photo_name(entry.place.address):
                parent = entry.parent if recursive else PurePath()
                yield _stored(entry._replace(parent=parent), limit, listed=True)
                empty = False
        if empty:
            yield _unreadable(named, reason, code)
    except InputError as error:
        yield _unreadable(named, error.reason, error.code)


def _stored(entry: stores.Entry, limit: int, listed: bool = False) -> Source:
    place, parent, state = entry
    read = partial(_read_stored, place, limit, listed)
    name, stem = printable(str(place)), safe_stem(place.stem)
    address = printable(place.bare)
    return Source(name, stem, read, Kind.STORED, None, parent, address, state, listed)


def _read_stored(place: stores.StorePath, limit: int, listed: bool) -> bytes:
    data = stores.read(place, limit)
    if listed and marks.begins_as_own(data[: marks.START]):
        raise InputError("is a cutout that bshm made", printable(str(place)), OWN_CUTOUT)
    return data


def _file(path: str, parent: PurePath, limit: int, listed: bool = False) -> Source:
    name, place = printable(path), Path(path)
    read = partial(disk.read, path, name, limit)
    return Source(name, place.stem, read, Kind.FILE, place, parent, listed=listed)


def _unreadable(named: str, reason: str, code: str) -> Source:
    named = without_secrets(named)
    name = printable(named) or "''"
    return Source(name, safe_stem(named), partial(_refuse, reason, name, code), Kind.MISSING)


def _refuse(reason: str, name: str, code: str) -> NoReturn:
    raise InputError(reason, name, code)


def _absence(path: str) -> tuple[str, str]:
    """Why nothing is seen there: it is missing, or a folder above may not be entered."""
    try:
        os.lstat(path)
    except PermissionError as error:
        return "cannot be read: %s" % error.strerror, "unreadable"
    except OSError:
        pass
    return "no such file or folder", "not_found"


def _folder(root: str, recursive: bool, limit: int) -> Iterator[Source]:
    """Photos in a folder, by their extensions; hidden ones and own outputs are left out."""
    empty, ours = True, False
    for folder in _tree(root) if recursive else [root]:
        # The current folder may be gone, and then nothing is relative to it.
        parent = PurePath(os.path.relpath(folder, root)) if folder != root else PurePath()
        try:
            entries = _visible(folder)
        except OSError as error:
            yield _unreadable(folder, "cannot be listed: %s" % error.strerror, "unreadable")
            empty = False
            continue
        for entry in entries:
            if not (_is_photo_name(entry.name) and _is_file(entry)):
                continue
            if marks.is_own(Path(entry.path)):
                ours = True
                continue
            yield _file(entry.path, parent, limit, listed=True)
            empty = False
    if empty and ours:
        yield _unreadable(root, _ONLY_OURS, "only_cutouts")
    elif empty:
        reason = "no photos in this folder (%s)" % " ".join(EXTENSIONS)
        yield _unreadable(root, reason, "no_photos" if recursive else "no_photos_here")


def _glob(pattern: str, recursive: bool, limit: int) -> Iterator[Source]:
    """Files that match; if any has a photo's extension, only those that have one.

    Own outputs are left out. Where only folders match, the result is as if each had been named.
    """
    root = pattern
    while not os.path.isdir(root) and root != os.path.dirname(root):
        root = os.path.dirname(root)
    # What is there by that very name is meant literally: "album [2020]/*.jpg".
    matches = sorted(
        dict.fromkeys(_matches(glob.escape(root) + pattern[len(root) :])),
        key=lambda path: [natural(part) for part in PurePath(path).parts],
    )
    found = [path for path in matches if not os.path.isdir(path)]
    if matches and not found:
        for folder in matches:
            yield from _folder(folder, recursive, limit)
        return
    named = [path for path in found if _is_photo_name(path)] or found
    photos = [path for path in named if not marks.is_own(Path(path))]
    for path in photos:
        parent = PurePath(os.path.relpath(os.path.dirname(path) or ".", root or "."))
        below = recursive and ".." not in parent.parts
        yield _file(path, parent if below else PurePath(), limit, listed=True)
    closed = list(_closed(glob.escape(root) + pattern[len(root) :]))
    yield from closed
    if not photos and not closed:
        if found:
            yield _unreadable(pattern, _ONLY_OURS, "only_cutouts")
        else:
            yield _unreadable(pattern, "nothing matches this pattern", "not_found")


def _closed(pattern: str) -> Iterator[Source]:
    """The folders that a pattern leads to and that may not be listed: glob passes over them."""
    above, name = os.path.split(pattern)
    if above == pattern:
        return
    if glob.has_magic(above):
        yield from _closed(above)
    for folder in _matches(above) if glob.has_magic(name) and above else ():
        try:
            if os.path.isdir(folder):
                os.scandir(folder).close()
        except OSError as error:
            yield _unreadable(folder, "cannot be listed: %s" % error.strerror, "unreadable")


def _matches(pattern: str) -> Iterator[str]:
    """``glob.iglob``, but safe from links that lead in circles below a ``**``."""
    separator = "[/%s]" % re.escape(os.sep)
    any_depth = re.search(r"(^|%s)\*\*(%s|$)" % (separator, separator), pattern)
    if not any_depth:
        yield from glob.iglob(pattern)
        return
    head, tail = pattern[: any_depth.end(1)], pattern[any_depth.end() :] or "*"
    for root in glob.iglob(head) if head else [""]:
        for folder in _tree(root or "."):
            below = folder if root else os.path.relpath(folder)
            base = "" if below == "." else glob.escape(below)
            yield from _matches(os.path.join(base, tail))


def _tree(root: str) -> Iterator[str]:
    """A folder and those below it, each real one once: links may lead in circles."""
    seen, waiting = set(), [root]
    while waiting:
        folder = waiting.pop()
        try:
            status, entries = os.stat(folder), _visible(folder)
        except OSError:  # whoever lists it meets this again, and reports it
            yield folder
            continue
        if (status.st_dev, status.st_ino) in seen:
            continue
        seen.add((status.st_dev, status.st_ino))
        yield folder
        waiting += [entry.path for entry in reversed(entries) if _is_folder(entry)]


def _visible(folder: str) -> list[os.DirEntry]:
    with os.scandir(folder) as entries:
        shown = [entry for entry in entries if not entry.name.startswith(".")]
    return sorted(shown, key=lambda entry: natural(entry.name))


def _is_photo_name(path: str) -> bool:
    return path.lower().endswith(EXTENSIONS)


def _is_folder(entry: os.DirEntry) -> bool:
    return os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir()


def _is_file(entry: os.DirEntry) -> bool:
    """A regular file, or a link to one, or a broken link, which the user should hear of."""
    if entry.is_symlink():
        return os.path.isfile(entry.path) or not os.path.exists(entry.path)
    return entry.is_file()
