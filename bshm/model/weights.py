"""Weights: from a name, a path or a hub id to a file that is whole.

Released weights lie in the ModelScope SDK's cache. The SDK never looks at a cached file again, so
a record is written beside each downloaded file (``tf_graph.pb.bshm.json``: sha256, size, time of
change and of the download) and compared at every load: the hash itself only where size or time have
changed.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from pathlib import Path
from typing import NamedTuple, Sequence

from bshm.disk import write_atomic
from bshm.errors import OutputError, WeightsError
from bshm.model import hub
from bshm.model.engine import ENGINE_PACKAGES

RELEASED = "damo/cv_unet_image-matting"
DATA = Path(__file__).parent.parent / "data"
# sha256 of the embedded weights' files.
EMBEDDED = {
    "bshm-lite.onnx": "34f32b301a44d01e6a8692d161e65151287ffe453c232d07275b79ef8e656f6d",
    "bshm-lite.pb": "a8107a791d3375826d85ce268432fc586e7d2541d786399b72d66424ce498baf",
}
SUFFIXES = {"onnx": ".onnx", "tensorflow": ".pb"}
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


class Weights(NamedTuple):
    """A model file and the engine that runs it."""

    path: Path
    name: str  # bshm-lite, a hub id, or the path as it was given
    engine: str  # onnx or tensorflow
    why: str  # what led to this choice, for people
    code: str = ""  # what kept `auto` from the released weights, as an error has it


def resolve(name: str, engines: Sequence[str]) -> Weights:
    """The file for a name, and the first of the engines that runs it. Opens no connection.

    name: ``auto`` (the released weights if they were downloaded, are whole and can run, else the
        embedded ones), ``bshm-lite`` (the embedded ones), a ``.onnx`` or ``.pb`` file, a folder
        that holds one ``.onnx`` or a ``tf_graph.pb``, or a hub id whose model is in the cache
    engines: names of the engines that may be used, the preferred one first

    Raises WeightsError.
    """
    if name == "auto":
        return _auto(engines)
    if name == "bshm-lite":
        return _embedded(engines, "asked for")
    path = Path(os.path.expanduser(name))
    # os.path's tests are False, and pathlib's raise, for what may not be looked at.
    if os.path.isfile(path):
        return _named(path, name, engines)
    if name and os.path.isdir(path):  # an empty name is not the current folder
        return _in_folders([path], name, engines)
    if HUB_ID.fullmatch(name) and path.suffix not in SUFFIXES.values():
        found = [folder for folder in _folders(name) if _model_files(folder)]
        if not found:
            reason = "is not in the cache (%s)" % " or ".join(map(str, hub.roots()))
            raise WeightsError(reason, name, "not_downloaded")
        return _in_folders(found, name, engines)
    raise WeightsError(
        "no such weights: %s (expected auto, bshm-lite, a .onnx or .pb file, a model folder, "
        "or a hub id like %s)" % (name, RELEASED),
        code="weights_not_found",
    )


def download(model_id: str = RELEASED, revision: str | None = None) -> Path:
    """Fetch a model into the SDK's cache and record the hash of its file; the file.

    revision: a tag, or None for what the SDK takes: the newest tag, since 1.38 ``master``

    What is there already and whole is not fetched again. A progress bar is on stderr. Raises
    WeightsError (no network, no such model or tag, a hash that does not match, no space).
    """
    if not HUB_ID.fullmatch(model_id):
        raise WeightsError(
            "%s is not a hub id: expected owner/name, like %s" % (model_id, RELEASED),
            code="not_a_hub_id",
        )
    with hub.lock(model_id):
        path = _model_file(hub.download(model_id, revision), model_id)
        listed = hub.listed_sha256(model_id, revision, path.name)
        if listed and sha256(path) != listed:
            # The SDK takes a cached file for granted; without it, it fetches it again.
            path.unlink()
            path = _model_file(hub.download(model_id, revision), model_id)
        record(path, time.time())
        return path


def verify(name: str = RELEASED) -> Path:
    """Hash weights as a whole and compare with what is known; the file (or, embedded, the folder).

    name: as for `resolve`, except ``auto``

    Raises WeightsError where they are damaged, nothing is known about them, or there are none.
    """
    files = [DATA / file for file in EMBEDDED]
    if name != "bshm-lite":
        used = resolve(name, tuple(SUFFIXES)).path
        # The graph that it was converted from, too.
        named = os.path.isfile(os.path.expanduser(name))
        files = [used] if named else [used, *_model_files(used.parent)]
    for file in dict.fromkeys(files):
        expected = _expected(file)
        if expected is None:
            raise WeightsError("%s has no sha256 record" % file, code="no_record")
        if sha256(file) != expected:
            raise _damaged(file)
    return DATA if name == "bshm-lite" else used


def record(path: Path, fetched: float = 0.0) -> None:
    """Hash a file of weights and write the record beside it. Raises WeightsError.

    fetched: when `download` was asked for it, in seconds since 1970
    """
    _write_record(path, sha256(path), fetched)


def cache() -> Path:
    """The folder under which the SDK keeps models."""
    return hub.roots()[-1]


def _auto(engines: Sequence[str]) -> Weights:
    """The released weights if they are there, whole and runnable; else the embedded ones."""
    why, code = "the released weights are not downloaded", "released_missing"
    for folder in _folders(RELEASED):
        if _model_files(folder):
            why = "no installed engine runs the released weights in %s" % folder
            code = "needs_tensorflow"
        for path, engine in [(p, e) for e in engines for p in _model_files(folder, e)]:
            why, code = _problem(path)
            if not why:
                return Weights(path, RELEASED, engine, "the released weights are in the cache")
    return _embedded(engines, why, code)


def _folders(model_id: str) -> list[Path]:
    """Folders of a model in the cache, first the one that `download` was asked for last."""

    def fetched(folder: Path) -> float:
        times = [_read_record(file).get("fetched") for file in _model_files(folder)]
        return max([time for time in times if isinstance(time, float)], default=0.0)

    return sorted(hub.folders(model_id), key=fetched, reverse=True)


def _problem(path: Path) -> tuple[str, str]:
    """Why a released file is not taken by itself and the code of that, or nothing."""
    try:
        if _expected(path) is None:
            return "%s has no sha256 record" % path, "no_record"
        if _is_whole(path):
            return "", ""
        error = _damaged(path)
    except WeightsError as unreadable:  # the embedded weights will do
        error = unreadable
    return error.reason, error.code


def _embedded(engines: Sequence[str], why: str, code: str = "") -> Weights:
    for engine in engines:
        path = DATA / ("bshm-lite" + SUFFIXES[engine])
        if os.path.isfile(path):
            return Weights(path, "bshm-lite", engine, why, code)
    raise WeightsError(
        "the embedded weights are missing in %s: install bshm again" % DATA,
        code="embedded_damaged",
    )


def _named(path: Path, name: str, engines: Sequence[str]) -> Weights:
    """A file that was chosen explicitly: it must run here, and match its record if it has one."""
    for engine in engines:
        if SUFFIXES[engine] == path.suffix.lower():
            if not _is_whole(path):
                raise _damaged(path)
            checked = "sha256 as recorded" if _expected(path) else "without a sha256 record"
            return Weights(path, name, engine, "asked for, " + checked)
    needed = [engine for engine, suffix in SUFFIXES.items() if suffix == path.suffix.lower()]
    if not needed:
        raise WeightsError(
            "%s is not a file of weights: expected .onnx or .pb" % path, code="weights_not_found"
        )
    raise WeightsError(
        "%s needs the engine %s, and only %s is installed or asked for: pip install %s"
        % (path, needed[0], ", ".join(engines), ENGINE_PACKAGES[needed[0]]),
        code="needs_tensorflow" if needed[0] == "tensorflow" else "needs_onnxruntime",
    )


def _damaged(path: Path) -> WeightsError:
    """The error for a file that is not what its record says; the code tells how to replace it."""
    reason = "%s is damaged: its sha256 is not the recorded one" % path
    if path.parent == DATA:
        return WeightsError(reason + "; install bshm again", code="embedded_damaged")
    if path.suffix == ".onnx" and os.path.isfile(path.with_name("tf_graph.pb")):
        return WeightsError(reason, code="conversion_damaged")
    return WeightsError(reason, code="weights_damaged")


def _in_folders(folders: Sequence[Path], name: str, engines: Sequence[str]) -> Weights:
    files = [f for folder in folders for engine in engines for f in _model_files(folder, engine)]
    files = files or [f for folder in folders for f in _model_files(folder)]
    if not files:
        raise WeightsError(
            "no tf_graph.pb and no .onnx file in %s" % " or ".join(map(str, folders)),
            code="weights_not_found",
        )
    rivals = [f for f in files if f.suffix == files[0].suffix and f.parent == files[0].parent]
    if len(rivals) > 1:
        raise WeightsError(
            "%s holds several graphs (%s): name the one to use"
            % (rivals[0].parent, ", ".join(f.name for f in rivals)),
            code="several_weights",
        )
    return _named(files[0], name, engines)._replace(name=name)


def _model_file(folder: Path, model_id: str) -> Path:
    files = _model_files(folder)
    if not files:
        raise WeightsError(
            "%s is not a matting model: neither tf_graph.pb nor an .onnx file is in %s"
            % (model_id, folder),
            code="not_a_matting_graph",
        )
    return files[0]


def _model_files(folder: Path, engine: str | None = None) -> list[Path]:
    """The files in a model folder that an engine (or any) could run."""
    graphs = [folder / "tf_graph.pb"] if os.path.isfile(folder / "tf_graph.pb") else []
    onnx = [path for path in hub.inside(folder) if path.suffix == ".onnx"]
    if engine == "tensorflow":
        return graphs
    if engine == "onnx":
        return onnx
    return graphs + onnx


def _is_whole(path: Path) -> bool:
    """Whether a file is what its record says, or has none. Hashes only where it was touched."""
    known = _read_record(path)
    if not known:
        return True
    status = path.stat()
    if (known.get("size"), known.get("mtime_ns")) == (status.st_size, status.st_mtime_ns):
        return True
    if sha256(path) != known.get("sha256"):
        return False
    try:
        _write_record(path, known["sha256"], known.get("fetched", 0.0))
    except WeightsError:
        return True  # a cache one may only read: the hash is computed at every load
    return True


def _expected(path: Path) -> str | None:
    if path.parent == DATA and EMBEDDED.get(path.name):
        return EMBEDDED[path.name]
    return _read_record(path).get("sha256")


def sha256(path: Path) -> str:
    """The hash of a file of weights, in hexadecimal digits. Raises WeightsError."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            for block in iter(lambda: file.read(1 << 20), b""):
                digest.update(block)
    except OSError as error:
        raise WeightsError(
            "cannot read %s: %s" % (path, error.strerror), code="weights_unreadable"
        ) from error
    return digest.hexdigest()


def _record_path(path: Path) -> Path:
    return path.with_name(path.name + ".bshm.json")


def _read_record(path: Path) -> dict:
    """The record beside a file; empty where there is none or it makes no sense."""
    try:
        known = json.loads(_record_path(path).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _write_record(path: Path, sha256: str, fetched: float) -> None:
    try:
        status = path.stat()
        known = {"sha256": sha256, "size": status.st_size, "mtime_ns": status.st_mtime_ns}
        known["fetched"] = fetched
        write_atomic(_record_path(path), json.dumps(known).encode())
    except (OSError, OutputError) as error:
        raise WeightsError(
            "cannot record the sha256 of %s: %s" % (path, error), code="not_written"
        ) from error
