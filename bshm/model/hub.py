"""ModelScope hub: where the SDK keeps models, and downloads through it with clear errors.

Only `download` opens connections. The SDK (``modelscope``) is imported there and nowhere else.
"""

from __future__ import annotations

import contextlib
import errno
import importlib.util
import io
import logging
import os
import sys
import traceback
from pathlib import Path
from typing import Iterator

from bshm.errors import WeightsError, install_extra, without_secrets, without_secrets_in

DENIED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.EEXIST, errno.ENOTDIR)


def roots() -> list[Path]:
    """Folders in which SDK versions keep their models, the one in use by most versions first.

    They begin with ``~`` for a user who has no home folder.
    """
    given = os.environ.get("MODELSCOPE_CACHE")
    if given:
        return [Path(os.path.expanduser(given))]
    cache = Path(os.path.expanduser("~/.cache/modelscope"))
    return [cache / "hub", cache]


def folders(model_id: str) -> list[Path]:
    """Folders in which SDK versions keep this model, the newest layout last.

    Only those that exist; what may not be looked at does not.
    """
    owner, _, name = model_id.partition("/")
    safe = name.replace(".", "___")  # as SDKs after 1.9 write it
    found: list[Path] = []
    for root in roots():
        for parent in (root, root / "models", root / "hub", root / "hub" / "models"):
            found.extend(parent / owner / part for part in dict.fromkeys((name, safe)))
        # Since 1.38: one folder a revision; the one fetched last comes first.
        snapshots = inside(root / "models" / ("%s--%s" % (owner, name)) / "snapshots")
        found.extend(sorted(snapshots, key=_changed, reverse=True))
    return [folder for folder in dict.fromkeys(found) if os.path.isdir(folder)]


def inside(folder: Path) -> list[Path]:
    """What lies in a folder, by name; nothing where there is no such folder to look into."""
    try:
        return [folder / name for name in sorted(os.listdir(folder))]
    except OSError:
        return []


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def download(model_id: str, revision: str | None) -> Path:
    """Fetch a model with the SDK's ``snapshot_download``; the folder it is in.

    revision: a tag, or None for what the SDK takes: the newest tag, since 1.38 ``master``

    What is in the SDK's cache already is not fetched again. Its progress bar is on stderr.
    Raises WeightsError.
    """
    with _errors(model_id, revision), _quiet(bar=True):
        from modelscope.hub.snapshot_download import snapshot_download

        return Path(snapshot_download(model_id, revision=revision))


def listed_sha256(model_id: str, revision: str | None, file: str) -> str | None:
    """The hash that the hub lists for a file; None where the SDK has compared it by itself.

    SDKs before 1.38 compare right after fetching, and never look at a cached file again.
    """
    if importlib.util.find_spec("modelscope_hub"):
        return None
    with _errors(model_id, revision), _quiet(bar=False):
        from modelscope.hub.api import HubApi

        api = HubApi()
        tag = api.get_valid_revision(model_id, revision=revision)
        for entry in api.get_model_files(model_id, revision=tag, recursive=True):
            if entry["Path"] == file:
                return entry.get("Sha256")
    return None


@contextlib.contextmanager
def lock(model_id: str) -> Iterator[None]:
    """One download at a time on this machine: the SDK's index does not bear two."""
    folder = roots()[0]
    with _errors(model_id, None):
        if not importlib.util.find_spec("modelscope"):  # which brings filelock
            raise ImportError("No module named 'modelscope'")
        from filelock import FileLock

        if folder.parts[0].startswith("~"):
            raise WeightsError(
                "you have no home folder: MODELSCOPE_CACHE names another one", code="not_written"
            )
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(str(folder / ".bshm.lock")):
            yield


@contextlib.contextmanager
def _quiet(bar: bool) -> Iterator[None]:
    """The SDK's log and prints off, and its bar shown only if asked for."""
    hidden = contextlib.nullcontext() if bar else contextlib.redirect_stderr(io.StringIO())
    disabled = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with hidden, contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(disabled)


@contextlib.contextmanager
def _errors(model_id: str, revision: str | None) -> Iterator[None]:
    """What the SDK raises, as a WeightsError in one line."""
    try:
        yield
    except ImportError as error:
        raise WeightsError(
            "a download needs modelscope: %s (%s)" % (install_extra("download"), error),
            code="no_modelscope",
        ) from error
    except _sdk_errors() as error:
        wanted = model_id if revision is None else "%s %s" % (model_id, revision)
        reason = _reason(error)
        for link in _chain(error):
            # Drop references to the SDK's tqdm bars: they close before our message is printed.
            traceback.clear_frames(link.__traceback__)
        raise WeightsError(
            "cannot download %s: %s" % (wanted, reason), code="not_downloadable"
        ) from error


def _sdk_errors() -> tuple[type[Exception], ...]:
    """Everything that a download may raise for reasons outside this program."""
    from urllib3.exceptions import HTTPError

    # OSError includes all of requests' errors; ValueError and KeyError: not the hub's protocol.
    kinds = [OSError, HTTPError, ValueError, KeyError]
    for name in ("modelscope.hub.errors", "modelscope_hub.errors"):  # before and since 1.38
        for kind in vars(sys.modules[name]).values() if name in sys.modules else ():
            if isinstance(kind, type) and issubclass(kind, Exception):
                kinds.append(kind)
    return tuple(kinds)


def _reason(error: BaseException) -> str:
    """Why a download failed and what to do. SDK versions differ in classes, hence the names."""
    chain = _chain(error)
    names = {kind.__name__ for link in chain for kind in type(link).__mro__}
    numbers = {link.errno for link in chain if isinstance(link, OSError)}
    responses = [getattr(link, "response", None) for link in chain]
    statuses = {response.status_code for response in responses if response is not None}
    where = roots()[0]
    if errno.ENOSPC in numbers or errno.EDQUOT in numbers:
        return "no space is left for %s; MODELSCOPE_CACHE names another folder" % where
    if numbers.intersection(DENIED):
        return "%s cannot be written to; MODELSCOPE_CACHE names another folder" % where
    if "FileIntegrityError" in names:
        return "what arrived does not match the hash the hub lists; it was thrown away, try again"
    if "NoValidRevisionError" in names:
        return "the hub lists no released version of it"
    if "NotExistError" in names or 404 in statuses:
        return "the hub has no such model or revision (%s)" % _line(error)
    if statuses.intersection((401, 403)):
        return "the hub does not give it without a login (%s)" % _line(error)
    if "RetryError" in names or any(status >= 500 for status in statuses):
        return "the hub has a fault of its own; try again later (%s)" % _line(error)
    if names.intersection(("FileDownloadError", "ChunkedEncodingError", "IncompleteRead")):
        return "it did not arrive whole; try again (%s)" % _line(error)
    if names.intersection(("ConnectionError", "Timeout", "MaxRetryError", "NetworkError")):
        return "the hub (%s) cannot be reached; are network and proxy settings right? (%s)" % (
            _endpoint(),
            _line(error),
        )
    return "this is not a hub's answer; is a proxy or a log-in page between? (%s: %s)" % (
        type(error).__name__,
        _line(error),
    )


def _chain(error: BaseException) -> list[BaseException]:
    """An error, what it came from, and the errors of single files that SDKs since 1.38 gather."""
    chain: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting:
        link = waiting.pop(0)
        if link is not None and link not in chain:
            chain.append(link)
            waiting += [link.__cause__, link.__context__]
            waiting += getattr(link, "failed_files", {}).values()
    return chain


def _line(error: BaseException) -> str:
    """The first line of an error, or of the first of the errors it gathers."""
    error = next(iter(getattr(error, "failed_files", {}).values()), error)
    line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return without_secrets_in(line)[:200]  # characters; a server's whole answer may be in it


def _endpoint() -> str:
    given = os.environ.get("MODELSCOPE_ENDPOINT") or os.environ.get("MODELSCOPE_DOMAIN")
    return without_secrets(given) if given else "www.modelscope.cn"
