"""What the user named -> photos to do: a path, a folder, a quoted glob, a URL, or ``-`` for stdin.

Folders and globs are listed at once, before anything is written, so that a run never takes its
own outputs for photos. Whatever cannot be found becomes a photo that cannot be read, in its
place, and the others go on.
"""

from __future__ import annotations

import glob
import os
import re
import stat
import sys
import threading
import time
import unicodedata
from collections import deque
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePath
from typing import (
    TYPE_CHECKING,
    Any,
    BinaryIO,
    Callable,
    Iterable,
    Iterator,
    NamedTuple,
    NoReturn,
    Sequence,
)
from urllib.parse import unquote, urlsplit

from bshm import __version__
from bshm.errors import InputError

if TYPE_CHECKING:
    import requests
    from urllib3.util import Retry

EXTENSIONS = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif"),
    *(".heic", ".heif", ".hif", ".avif"),
)

# What a process inherited from its shell: `<(command)` and `/dev/stdin` may well be pipes.
_DESCRIPTOR = re.compile(r"/dev/(stdin|fd/[0-9]+)|/proc/(self|[0-9]+)/fd/[0-9]+")
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe (pipe the photo to `-i -` instead)",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)", re.IGNORECASE)  # on Windows


class Limits(NamedTuple):
    """How much one photo may take to read. Sizes in bytes, times in seconds."""

    file_bytes: int = 1 << 30
    url_bytes: int = 100_000_000
    connect_s: float = 10
    silence_s: float = 30  # without a byte from the server
    total_s: float = 120  # everything together: name look-up, redirects, retries, the body
    redirects: int = 5
    retries: int = 3  # of failed connections and of 500, 502, 503 and 504
    backoff_s: float = 0.5  # doubles with each retry
    retry_after_s: float = 30  # a server's wish for a pause is granted up to this


LIMITS = Limits()


@dataclass(frozen=True)
class Source:
    """One photo to do.

    name: what messages call it: the path or URL, fit for one line of a terminal
    stem: name of the output, without folder and extension
    read: gives the file's bytes; raises InputError
    path: of a local file, None for URLs and stdin
    parent: folder of the output, relative: where the photo was below the folder that was named,
        when looking into folders below
    """

    name: str
    stem: str
    read: Callable[[], bytes] = field(repr=False, compare=False)
    path: Path | None = None
    parent: PurePath = field(default_factory=PurePath)


def expand(inputs: Sequence[str], recursive: bool = False, limits: Limits = LIMITS) -> list[Source]:
    """List the photos that ``inputs`` name, in that order; within folders in natural order.

    inputs: files, folders, glob patterns (``**`` is any depth), http(s) and file URLs, ``-``
    recursive: look into the folders below a folder, too

    Raises nothing for what is missing or unreadable: reading it does.
    """
    web = _Web(limits)
    return [source for named in inputs for source in _expand_one(named, recursive, limits, web)]


def _expand_one(named: str, recursive: bool, limits: Limits, web: _Web) -> Iterable[Source]:
    if named == "-":
        return [Source("stdin", "stdin", partial(_read_stdin, limits.file_bytes))]
    # Two letters at least: C:/photo.jpg is a path.
    scheme = re.match(r"([a-z][a-z0-9+.-]+)://", named, re.IGNORECASE)
    if scheme:
        try:
            address = urlsplit(named)
        except ValueError:
            return [_unreadable(named, "is not a valid address")]
        if address.scheme in ("http", "https"):
            return [web.source(named)]
        if address.scheme != "file" or address.netloc not in ("", "localhost"):
            return [_unreadable(named, "is neither a path nor an http(s) address")]
        from urllib.request import url2pathname  # loads the web's half of the standard library

        named = url2pathname(address.path)
    try:
        if os.path.isdir(named):
            return _folder(named, recursive, limits)
        if not os.path.lexists(named):
            if glob.has_magic(named):
                return _glob(named, recursive, limits)
            return [_unreadable(named, "no such file or folder")]
    except ValueError:  # a NUL, or a character that no file name here can have
        return [_unreadable(named, "is not a file name")]
    return [_file(named, PurePath(), limits)]


def _file(path: str, parent: PurePath, limits: Limits) -> Source:
    name = _printable(path)
    read = partial(_read_file, path, name, limits.file_bytes)
    return Source(name, _fit(Path(path).stem, 251), read, Path(path), parent)  # + ".png" is 255


def _unreadable(named: str, reason: str) -> Source:
    name = _printable(named)

    def read() -> NoReturn:
        raise InputError("%s: %s" % (name, reason))

    return Source(name, _safe_stem(named), read)


def _folder(root: str, recursive: bool, limits: Limits) -> Iterator[Source]:
    """Photos in a folder, by their extensions; hidden ones are left out."""
    empty = True
    for folder in _tree(root) if recursive else [root]:
        parent = PurePath(os.path.relpath(folder, root))
        try:
            entries = _visible(folder)
        except OSError as error:
            yield _unreadable(folder, "cannot be listed: %s" % error.strerror)
            empty = False
            continue
        for entry in entries:
            if _is_photo_name(entry.name) and _is_file(entry):
                yield _file(entry.path, parent, limits)
                empty = False
    if empty:
        hint = "" if recursive else "; --recursive looks into the folders below"
        reason = "no photos in this folder (%s)%s" % (" ".join(EXTENSIONS), hint)
        yield _unreadable(root, reason)


def _glob(pattern: str, recursive: bool, limits: Limits) -> Iterator[Source]:
    """Files that match, and of those only the ones with a photo's extension, if any has one."""
    root = pattern
    while not os.path.isdir(root) and root != os.path.dirname(root):
        root = os.path.dirname(root)
    # What is there by that very name is meant literally: "album [2020]/*.jpg".
    matches = dict.fromkeys(_matches(glob.escape(root) + pattern[len(root) :]))
    found = sorted(
        (path for path in matches if not os.path.isdir(path)),
        key=lambda path: [_natural(part) for part in PurePath(path).parts],
    )
    for path in [path for path in found if _is_photo_name(path)] or found:
        folder = os.path.relpath(os.path.dirname(path) or ".", root or ".")
        yield _file(path, PurePath(folder) if recursive else PurePath(), limits)
    if not found:
        yield _unreadable(pattern, "no file matches this pattern")


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
        except OSError:  # to be met again, and reported, by whoever lists it
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
    return sorted(shown, key=lambda entry: _natural(entry.name))


def _is_photo_name(path: str) -> bool:
    return path.lower().endswith(EXTENSIONS)


def _is_folder(entry: os.DirEntry) -> bool:
    return os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir()


def _is_file(entry: os.DirEntry) -> bool:
    """A regular file, or a link to one, or a broken link, which the user should hear of."""
    if entry.is_symlink():
        return os.path.isfile(entry.path) or not os.path.exists(entry.path)
    return entry.is_file()


def _natural(name: str) -> tuple:
    """Sort key: IMG_2 before IMG_10."""
    parts = re.split(r"([0-9]+)", name.casefold())
    return [int(part) if place % 2 else part for place, part in enumerate(parts)], name


def _printable(text: str) -> str:
    """Without what would break a line, a terminal or an encoding."""
    return "".join(
        character.encode("unicode_escape").decode()
        if unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")
        else character
        for character in text
    )


def _safe_stem(text: str) -> str:
    """A file name on any system: no folders, no control characters, nothing hidden or reserved."""
    stem = re.sub(r'[\x00-\x1f\x7f-\x9f\ud800-\udfff/\\:*?"<>|]+', "_", text).strip(" .")
    return _fit("_" + stem if _RESERVED.match(stem) else stem or "photo", 200)


def _fit(stem: str, size: int) -> str:
    while len(os.fsencode(stem)) > size:
        stem = stem[:-1]
    return stem


def _read_file(path: str, name: str, limit: int) -> bytes:
    inherited = _DESCRIPTOR.fullmatch(path)
    # Should a named pipe take the file's place meanwhile, opening it must not wait for a writer.
    extra = 0 if inherited else getattr(os, "O_NONBLOCK", 0)
    try:
        status = os.stat(path)
        kind = _KINDS.get(stat.S_IFMT(status.st_mode))
        if kind and not inherited:
            raise InputError("%s: is %s, not a photo" % (name, kind))
        with open(path, "rb", opener=lambda path, flags: os.open(path, flags | extra)) as file:
            return _drain(file, name, limit, status.st_size)
    except OSError as error:
        raise InputError("%s: cannot be read: %s" % (name, error.strerror or error)) from error


def _read_stdin(limit: int) -> bytes:
    if sys.stdin is None:
        raise InputError("stdin: is closed")
    try:
        return _drain(sys.stdin.buffer, "stdin", limit)
    except OSError as error:
        raise InputError("stdin: cannot be read: %s" % error.strerror) from error


def _drain(file: BinaryIO, name: str, limit: int, expected: int = 0) -> bytes:
    """All of a file, but no more than ``limit`` bytes, in one piece if the size is known."""
    if file.isatty():
        raise InputError("%s: is a terminal; pipe a photo in" % name)
    parts: list[bytes] = []
    size = 0
    while size <= limit and expected <= limit:
        # A read of one byte too many meets the end of a file of the expected size.
        part = file.read(max(expected - size + 1, 1 << 16))
        if not part:
            return b"".join(parts)
        parts.append(part)
        size += len(part)
    raise InputError("%s: is larger than the limit of %.0f MB" % (name, limit / 1e6))


class _Web:
    """Fetches URLs within limits, from any number of threads.

    A session keeps its connections open for the next URL of the same host. It is not promised to
    be safe for threads, so each serves one fetch at a time and then waits for the next.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.idle: deque[requests.Session] = deque()

    def source(self, url: str) -> Source:
        """A photo to fetch; the output's name comes from the URL's path, never from its query."""
        address = urlsplit(url)
        # Names are printed and logged: no passwords in them.
        shown = address._replace(netloc=address.netloc.rpartition("@")[2]).geturl()
        last = unquote(address.path.rstrip("/").rpartition("/")[2])
        stem = _safe_stem(os.path.splitext(last)[0] or address.hostname or "photo")
        return Source(_printable(shown), stem, partial(self.read, url, _printable(shown)))

    def read(self, url: str, name: str) -> bytes:
        """Bytes behind a URL.

        The fetch has a thread of its own, for nothing else ends a name look-up that hangs or
        headers that trickle in. One that is late is left behind and dies with its connection.
        """
        outcome: list[bytes | InputError] = []
        deadline = time.monotonic() + self.limits.total_s

        def fetch() -> None:
            try:
                outcome.append(self._fetch(url, name, deadline))
            except InputError as error:
                outcome.append(error)

        thread = threading.Thread(target=fetch, name="bshm-fetch", daemon=True)
        thread.start()
        thread.join(self.limits.total_s)
        if not outcome:
            outcome.append(self._late(name))
        if isinstance(outcome[0], InputError):
            raise outcome[0]
        return outcome[0]

    def _fetch(self, url: str, name: str, deadline: float) -> bytes:
        import requests
        from urllib3.exceptions import HTTPError

        try:
            session = self.idle.pop()
        except IndexError:
            session = self._session()
        patience = (self.limits.connect_s, self.limits.silence_s)
        try:
            with session.get(url, stream=True, timeout=patience) as response:
                return self._body(response, name, deadline)
        except requests.TooManyRedirects as error:
            reason = "more than %d redirects" % self.limits.redirects
            raise InputError("%s: %s" % (name, reason)) from error
        except requests.exceptions.InvalidSchema as error:
            raise InputError("%s: redirects to something that is not http(s)" % name) from error
        except requests.exceptions.ChunkedEncodingError as error:
            raise InputError("%s: the download broke off" % name) from error
        except (requests.RequestException, HTTPError, ValueError) as error:
            raise InputError("%s: cannot be fetched: %s" % (name, _root_cause(error))) from error
        finally:
            self.idle.append(session)

    def _body(self, response: requests.Response, name: str, deadline: float) -> bytes:
        limit = self.limits.url_bytes
        too_large = InputError("%s: is larger than the limit of %.0f MB" % (name, limit / 1e6))
        if not 200 <= response.status_code < 300:
            told = "HTTP %d %s" % (response.status_code, response.reason)
            raise InputError("%s: the server says %s" % (name, _printable(told.strip())))
        declared = re.fullmatch(r"[0-9]{1,18}", response.headers.get("Content-Length", ""))
        if declared and int(declared.group()) > limit:
            raise too_large
        parts, size = [], 0
        for part in response.iter_content(1 << 14):
            parts.append(part)
            size += len(part)
            if size > limit:
                raise too_large
            if time.monotonic() > deadline:
                raise self._late(name)
        # Bytes on the wire, not those of `parts`: a server may have compressed them unasked.
        if declared and response.raw.tell() < int(declared.group()):
            raise InputError("%s: the download broke off" % name)
        return b"".join(parts)

    def _late(self, name: str) -> InputError:
        return InputError("%s: not there after %g s" % (name, self.limits.total_s))

    def _session(self) -> requests.Session:
        import requests
        from requests.adapters import HTTPAdapter

        session = requests.Session()
        session.headers["User-Agent"] = "bshm/%s" % __version__
        session.headers["Accept"] = "image/*, */*;q=0.5"
        session.headers["Accept-Encoding"] = "identity"  # photos are compressed already
        session.max_redirects = self.limits.redirects
        for scheme in ("http://", "https://"):
            session.mount(scheme, HTTPAdapter(max_retries=_retry(self.limits)))
        return session


def _retry(limits: Limits) -> Retry:
    """Retries of failed connections and of a server's temporary troubles."""
    from urllib3.exceptions import ReadTimeoutError
    from urllib3.util import Retry

    class Patience(Retry):
        def get_retry_after(self, response: object) -> float | None:
            wish = super().get_retry_after(response)  # type: ignore[arg-type]
            return None if wish is None else min(wish, limits.retry_after_s)

        def increment(self, *args: Any, **details: Any) -> Retry:  # type: ignore[override]
            if isinstance(details.get("error"), ReadTimeoutError):
                raise details["error"]  # silent for so long: it has had its time
            return super().increment(*args, **details)

    return Patience(
        total=limits.retries,
        status_forcelist=(500, 502, 503, 504),
        backoff_factor=limits.backoff_s,
        raise_on_status=False,
    )


def _root_cause(error: BaseException) -> str:
    """What the system said, below all that libraries wrapped around it."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return _printable(" ".join(reason.split()))
