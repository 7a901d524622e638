"""Weights: names become whole files, downloads survive a bad hub, and nothing else calls out."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import pytest

from bshm.cli.main import main
from bshm.cli.terminal import with_hint
from bshm.errors import WeightsError
from bshm.model import hub, weights
from tests.fake_hub import MODEL, FakeHub

BOTH = ("onnx", "tensorflow")
GRAPH = random.Random(1).getrandbits(8 * 200000).to_bytes(200000, "big")
FILES = {"tf_graph.pb": GRAPH, "configuration.json": b"{}", "README.md": b"# a card"}

needs_sdk = pytest.mark.skipif(
    importlib.util.find_spec("modelscope") is None, reason="the package modelscope is not installed"
)
old_sdk = importlib.util.find_spec("modelscope_hub") is None


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache that is the only one."""
    monkeypatch.setenv("MODELSCOPE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path / "cache"


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A folder of embedded weights."""
    folder = tmp_path / "data"
    folder.mkdir()
    hashes = {}
    for name in weights.EMBEDDED:
        (folder / name).write_bytes(name.encode())
        hashes[name] = hashlib.sha256(name.encode()).hexdigest()
    monkeypatch.setattr(weights, "DATA", folder)
    monkeypatch.setattr(weights, "EMBEDDED", hashes)
    return folder


def put(folder: Path, name: str = "tf_graph.pb", recorded: bool = True) -> Path:
    """A model file in a folder, as a download leaves it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(GRAPH)
    if recorded:
        weights.record(folder / name)
    return folder / name


def rewrite(path: Path, content: bytes, keep_time: bool) -> None:
    """Other content; the time of change is the old one or surely another."""
    status = path.stat()
    path.write_bytes(content)
    later = status.st_mtime_ns + (0 if keep_time else 5 * 10**9)
    os.utime(path, ns=(status.st_atime_ns, later))


# Names without a cache


@pytest.mark.parametrize(("engine", "file"), [("onnx", ".onnx"), ("tensorflow", ".pb")])
def test_embedded_weights_come_in_the_form_the_engine_runs(cache, data, engine, file):
    chosen = weights.resolve("bshm-lite", [engine])
    assert (chosen.path, chosen.name, chosen.engine) == (
        data / ("bshm-lite" + file),
        "bshm-lite",
        engine,
    )


def test_auto_is_the_embedded_weights_until_others_are_downloaded(cache, data):
    chosen = weights.resolve("auto", BOTH)
    assert chosen.path == data / "bshm-lite.onnx"
    assert "not downloaded" in chosen.why and chosen.code == "released_missing"


def test_missing_embedded_weights_say_so(cache, data):
    (data / "bshm-lite.onnx").unlink()
    with pytest.raises(WeightsError, match="install bshm again"):
        weights.resolve("bshm-lite", ["onnx"])


def test_pinned_hashes_are_those_of_the_shipped_files():
    shipped = {name: weights.DATA / name for name in weights.EMBEDDED}
    if not any(path.is_file() for path in shipped.values()):
        pytest.skip("this checkout carries no weights")
    found = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in shipped.items()}
    assert found == weights.EMBEDDED


@pytest.mark.parametrize("name", ["", "nonsense", "no/such/place", "gone.pb", "a/gone.onnx"])
def test_an_unknown_name_tells_what_is_expected(cache, data, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path / "data")  # "" must not mean the current folder
    with pytest.raises(WeightsError, match=r"expected auto, bshm-lite, a \.onnx or \.pb file"):
        weights.resolve(name, BOTH)


def test_a_file_is_taken_as_it_is_named(cache, tmp_path, monkeypatch):
    put(tmp_path, "My Modèl.ONNX", recorded=False)
    monkeypatch.chdir(tmp_path)
    chosen = weights.resolve("My Modèl.ONNX", BOTH)
    assert (chosen.path, chosen.engine) == (Path("My Modèl.ONNX"), "onnx")
    assert "without a sha256 record" in chosen.why


def test_a_file_of_another_kind_is_refused(cache, tmp_path):
    (tmp_path / "weights.pt").write_bytes(b"")
    with pytest.raises(WeightsError, match=r"weights\.pt is not a file of weights"):
        weights.resolve(str(tmp_path / "weights.pt"), BOTH)


def test_a_file_no_engine_here_runs_names_the_engine(cache, tmp_path):
    with pytest.raises(WeightsError, match=r"needs the engine tensorflow.*pip install tensorflow"):
        weights.resolve(str(put(tmp_path)), ["onnx"])


def test_a_model_folder_gives_what_the_preferred_engine_runs(cache, tmp_path):
    graph, onnx = put(tmp_path), put(tmp_path, "model.onnx")
    assert weights.resolve(str(tmp_path), ["onnx", "tensorflow"]).path == onnx
    assert weights.resolve(str(tmp_path), ["tensorflow", "onnx"]).path == graph
    assert weights.resolve(str(tmp_path), ["tensorflow"]).path == graph


def test_a_model_folder_with_several_graphs_is_not_guessed_about(cache, tmp_path):
    put(tmp_path, "a.onnx"), put(tmp_path, "b.onnx")
    with pytest.raises(WeightsError, match=r"several graphs \(a\.onnx, b\.onnx\)"):
        weights.resolve(str(tmp_path), BOTH)


def test_an_empty_model_folder_tells_what_belongs_there(cache, tmp_path):
    with pytest.raises(WeightsError, match=r"no tf_graph\.pb and no \.onnx file"):
        weights.resolve(str(tmp_path), BOTH)


# Places that may not be looked at


@pytest.fixture
def locked(data):
    """A folder nobody may look into, also where the tests run as root; `data` can still be read."""
    if os.name == "nt":
        pytest.skip("POSIX only")
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        weights.DATA = Path(shutil.copytree(str(data), folder + "/data"))
        os.chmod(folder + "/data", 0o755)
        home = Path(folder, "home")
        put(home / ".cache" / "modelscope" / "hub" / MODEL)
        home.chmod(0)
        root = os.geteuid() == 0
        if root:
            os.seteuid(65534)
        try:
            yield home
        finally:
            if root:
                os.seteuid(0)
            home.chmod(0o700)


def test_a_home_that_may_not_be_searched_holds_no_weights(locked, monkeypatch):
    monkeypatch.delenv("MODELSCOPE_CACHE", raising=False)
    monkeypatch.setenv("HOME", str(locked))
    assert weights.resolve("auto", BOTH).path == weights.DATA / "bshm-lite.onnx"
    with pytest.raises(WeightsError, match="is not in the cache"):
        weights.resolve(MODEL, BOTH)
    for name in (locked, locked / "a.onnx", locked / ".cache"):
        with pytest.raises(WeightsError, match=r"no such weights|no tf_graph"):
            weights.resolve(str(name), BOTH)


def test_a_user_without_a_home_has_no_cache(cache, data, tmp_path, monkeypatch):
    pwd = pytest.importorskip("pwd")
    monkeypatch.delenv("MODELSCOPE_CACHE")
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", {}.__getitem__)
    monkeypatch.setitem(sys.modules, "modelscope", ModuleType("modelscope"))
    sys.modules["modelscope"].__spec__ = ModuleSpec("modelscope", None)
    monkeypatch.chdir(tmp_path)
    assert weights.resolve("auto", BOTH).name == "bshm-lite"
    with pytest.raises(WeightsError, match=r"no such weights: ~nobody-here/a\.onnx"):
        weights.resolve("~nobody-here/a.onnx", BOTH)
    assert str(weights.cache()) == "~/.cache/modelscope"
    if importlib.util.find_spec("filelock"):
        with pytest.raises(WeightsError, match="MODELSCOPE_CACHE"):
            weights.download()
    assert not Path("~").exists()


def test_a_name_too_long_for_a_file_is_no_file(cache, data, monkeypatch):
    for name in ("x" * 300, "x" * 300 + ".onnx"):
        with pytest.raises(WeightsError, match="no such weights"):
            weights.resolve(name, BOTH)
    with pytest.raises(WeightsError, match="is not in the cache"):
        weights.resolve("me/" + "x" * 300, BOTH)
    monkeypatch.setenv("MODELSCOPE_CACHE", "/" + "x" * 300)
    assert weights.resolve("auto", BOTH).name == "bshm-lite"


def test_a_snapshot_that_vanishes_while_it_is_looked_at_is_not_there(cache, data):
    snapshots = cache / "models" / "damo--cv_unet_image-matting" / "snapshots"
    path = put(snapshots / "v1")
    (snapshots / "v2").symlink_to(snapshots / "gone")
    assert weights.resolve("auto", BOTH).path == path


# Cached weights


@pytest.mark.parametrize(
    "place",
    [
        "damo/cv_unet_image-matting",
        "models/damo/cv_unet_image-matting",
        "models/damo--cv_unet_image-matting/snapshots/master",
    ],
)
def test_auto_takes_released_weights_wherever_an_sdk_keeps_them(cache, data, place):
    path = put(cache / place)
    chosen = weights.resolve("auto", BOTH)
    assert (chosen.path, chosen.name, chosen.engine) == (path, MODEL, "tensorflow")
    assert weights.resolve(MODEL, BOTH).path == path


@pytest.mark.parametrize("place", ["hub", "hub/models", "models"])
def test_the_default_cache_is_in_the_home_folder(cache, data, tmp_path, monkeypatch, place):
    monkeypatch.delenv("MODELSCOPE_CACHE")
    path = put(tmp_path / ".cache" / "modelscope" / place / MODEL)
    assert weights.resolve("auto", BOTH).path == path


def test_dots_in_a_model_name_are_found_as_sdks_write_them(cache):
    path = put(cache / "models" / "me" / "matting-v1___5")
    assert weights.resolve("me/matting-v1.5", BOTH).path == path


def test_the_snapshot_fetched_last_is_taken(cache, data):
    snapshots = cache / "models" / "damo--cv_unet_image-matting" / "snapshots"
    put(snapshots / "v1"), put(snapshots / "v2"), put(snapshots / "v3")
    for age, name in enumerate(["v2", "v3", "v1"]):
        os.utime(snapshots / name, (10**9 - age, 10**9 - age))
    assert weights.resolve("auto", BOTH).path.parent.name == "v2"


def test_the_model_that_was_downloaded_last_is_taken_whatever_the_layout(cache, data):
    for age, place in enumerate(["damo", "models/damo--cv_unet_image-matting/snapshots", "hub"]):
        name = {"damo": "cv_unet_image-matting", "hub": "damo/cv_unet_image-matting"}
        path = put(cache / place / name.get(place, "v2"))
        weights.record(path, fetched=[1e9, 3e9, 2e9][age])
    put(cache / "models" / "damo" / "cv_unet_image-matting", name="converted.onnx")
    assert weights.resolve("auto", BOTH).path.parent.name == "v2"
    assert weights.resolve(MODEL, BOTH).path.parent.name == "v2"


def test_auto_does_not_take_weights_nobody_checked(cache, data):
    path = put(cache / MODEL, recorded=False)
    chosen = weights.resolve("auto", BOTH)
    assert chosen.name == "bshm-lite"
    assert str(path) in chosen.why and "no sha256 record" in chosen.why
    assert weights.resolve(MODEL, BOTH).path == path  # asked for by name


@pytest.mark.parametrize("flaw", ["cut", "other"])
def test_damaged_weights_are_left_by_auto_and_refused_by_name(cache, data, flaw):
    path = put(cache / MODEL)
    if flaw == "cut":
        rewrite(path, GRAPH[:-1], keep_time=True)
    else:
        rewrite(path, GRAPH[:-1] + b"?", keep_time=False)
    chosen = weights.resolve("auto", BOTH)
    assert chosen.name == "bshm-lite" and "damaged" in chosen.why
    for name in (MODEL, str(path), str(path.parent)):
        with pytest.raises(WeightsError, match="is damaged"):
            weights.resolve(name, BOTH)


def test_touched_weights_are_hashed_once_and_recorded_anew(cache, data):
    path = put(cache / MODEL)
    rewrite(path, GRAPH, keep_time=False)
    assert weights.resolve("auto", BOTH).path == path
    known = json.loads((path.parent / "tf_graph.pb.bshm.json").read_text("utf-8"))
    assert known["mtime_ns"] == path.stat().st_mtime_ns


def test_untouched_weights_are_not_hashed_at_load_but_are_by_verify(cache, data):
    path = put(cache / MODEL)
    rewrite(path, GRAPH[:-1] + b"?", keep_time=True)
    assert weights.resolve("auto", BOTH).path == path
    with pytest.raises(WeightsError, match="is damaged"):
        weights.verify()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"sha256": 5}'])
def test_a_record_that_makes_no_sense_is_no_record(cache, data, text):
    path = put(cache / MODEL)
    path.with_name("tf_graph.pb.bshm.json").write_text(text, "utf-8")
    assert weights.resolve("auto", BOTH).name == "bshm-lite"


def test_auto_falls_back_where_no_engine_runs_the_released_graph(cache, data):
    put(cache / MODEL)
    chosen = weights.resolve("auto", ["onnx"])
    assert chosen.name == "bshm-lite" and "no installed engine" in chosen.why


def test_auto_takes_a_converted_graph_beside_the_released_one(cache, data):
    put(cache / MODEL)
    onnx = put(cache / MODEL, "tf_graph.onnx")
    assert weights.resolve("auto", ["onnx"])[:3] == (onnx, MODEL, "onnx")


def test_a_hub_id_that_is_not_cached_tells_how_to_get_it(cache):
    with pytest.raises(WeightsError, match="is not in the cache") as caught:
        weights.resolve("me/mine", BOTH)
    assert with_hint(caught.value).endswith("; run `bshm download me/mine`")


def test_a_folder_that_a_failed_download_left_is_no_model(cache):
    (cache / "models" / "me--mine" / "snapshots" / "master").mkdir(parents=True)
    with pytest.raises(WeightsError, match="is not in the cache") as caught:
        weights.resolve("me/mine", BOTH)
    assert with_hint(caught.value).endswith("; run `bshm download me/mine`")


def test_a_damaged_conversion_is_to_be_converted_again(cache, data):
    put(cache / MODEL)
    rewrite(put(cache / MODEL, "tf_graph.onnx"), b"", keep_time=True)
    with pytest.raises(WeightsError, match=r"onnx is damaged") as caught:
        weights.resolve(MODEL, BOTH)
    assert "; `bshm convert` makes it again" in with_hint(caught.value)


def test_verify_hashes_the_graph_beside_its_conversion(cache, data):
    graph = put(cache / MODEL)
    put(cache / MODEL, "tf_graph.onnx")
    rewrite(graph, GRAPH[:-1], keep_time=True)
    with pytest.raises(WeightsError, match=r"tf_graph\.pb is damaged") as caught:
        weights.verify()
    assert "; `bshm download` fetches it again" in with_hint(caught.value)


def test_verify_hashes_the_one_file_that_is_named(cache, tmp_path):
    put(tmp_path / "mine", "a.onnx")
    put(tmp_path / "mine", "b.onnx", recorded=False)
    assert weights.verify("~/mine/a.onnx") == tmp_path / "mine" / "a.onnx"


def test_verify_hashes_embedded_weights(cache, data):
    assert weights.verify("bshm-lite") == data
    (data / "bshm-lite.pb").write_bytes(b"other")
    with pytest.raises(WeightsError, match=r"bshm-lite\.pb is damaged"):
        weights.verify("bshm-lite")


def test_verify_without_a_record_does_not_say_whole(cache):
    put(cache / MODEL, recorded=False)
    with pytest.raises(WeightsError, match="has no sha256 record"):
        weights.verify()


def test_finding_weights_opens_no_connection(cache, data, monkeypatch):
    def refuse(*_args, **_kwargs):
        raise AssertionError("a socket was made")

    monkeypatch.setattr(socket, "socket", refuse)
    put(cache / MODEL)
    weights.resolve("auto", BOTH)
    weights.resolve("bshm-lite", BOTH)
    weights.verify()
    with pytest.raises(WeightsError):
        weights.resolve("me/mine", BOTH)


def test_finding_weights_imports_neither_sdk_nor_requests():
    code = "import sys\nfrom bshm.model import weights\nprint([m for m in sys.modules])"
    found = subprocess.run(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True
    ).stdout
    for module in ("modelscope", "requests", "urllib3", "numpy", "tqdm"):
        assert "'%s'" % module not in found


def test_what_the_sdk_says_is_one_short_line_without_secrets(monkeypatch, capfd):
    def failing(*_, **__):
        print("a dump of the answer")
        raise OSError("refused: https://me:pass@hub/x?token=secret " + "<html>" * 999 + "\nmore")

    for name in ("modelscope", "modelscope.hub", "modelscope.hub.snapshot_download"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    sys.modules["modelscope.hub.snapshot_download"].snapshot_download = failing
    with pytest.raises(WeightsError, match="cannot download me/m: ") as caught:
        hub.download("me/m", None)
    said = str(caught.value)
    assert "https://hub/x?token=..." in said and "secret" not in said and "pass" not in said
    assert len(said) < 400 and "\n" not in said
    assert capfd.readouterr() == ("", "")


# Downloads through the real SDK

# The old SDK has no setting for its half a minute of retries.
HASTY = "import modelscope.hub.file_download as f\nf.API_FILE_DOWNLOAD_RETRY_TIMES = 0"


def command(server: FakeHub, home: Path, *arguments: str, before: str = "") -> subprocess.Popen:
    """``bshm ARGUMENTS`` in a process of its own, which can only reach the local hub."""
    code = "import sys\n%s\nfrom bshm.cli.main import main\nsys.exit(main(sys.argv[1:]))" % before
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        env=server.environment(home),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        universal_newlines=True,
        encoding="utf-8",
    )


def finish(process: subprocess.Popen) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


@pytest.fixture
def server():
    with FakeHub(dict(FILES)) as server:
        yield server


def failed(result: tuple[int, str, str], reason: str) -> None:
    """One clear line, no traceback, nothing on stdout, exit code 1."""
    code, out, err = result
    assert (code, out) == (1, ""), err
    assert "Traceback" not in err
    last = err.strip().splitlines()[-1]
    assert "cannot download " in last and reason in last


def whole_or_nothing(home: Path) -> None:
    """No file that passes for the model is anything but the model."""
    for path in home.rglob("*"):
        if path.name == "tf_graph.pb":
            assert path.read_bytes() == GRAPH


@needs_sdk
def test_download_fetches_records_and_is_used(server, tmp_path, cache, data):
    code, out, err = finish(command(server, tmp_path, "download"))
    assert code == 0, err
    path = Path(out.strip())
    assert path.read_bytes() == GRAPH and out.count("\n") == 1
    assert "100%" in err  # the bar
    assert weights.verify() == path
    assert weights.resolve("auto", BOTH).path == path


@needs_sdk
def test_download_keeps_what_is_there(server, tmp_path):
    finish(command(server, tmp_path, "download"))
    code, _, err = finish(command(server, tmp_path, "download"))
    assert code == 0, err
    assert server.fetched("tf_graph.pb") == 1


@needs_sdk
def test_download_replaces_a_damaged_file(server, tmp_path, cache):
    path = Path(finish(command(server, tmp_path, "download"))[1].strip())
    rewrite(path, GRAPH[:-1] + b"?", keep_time=True)
    code, _, err = finish(command(server, tmp_path, "download"))
    assert code == 0, err
    assert path.read_bytes() == GRAPH and weights.verify() == path


@needs_sdk
def test_download_checks_what_another_program_has_cached(server, tmp_path, cache, data):
    put(cache / MODEL, recorded=False).write_bytes(GRAPH[:1000])
    code, out, err = finish(command(server, tmp_path, "download"))
    assert code == 0, err
    assert Path(out.strip()).read_bytes() == GRAPH
    assert weights.resolve("auto", BOTH).path == Path(out.strip())


@needs_sdk
def test_download_takes_the_revision_asked_for(server, tmp_path):
    code, _, err = finish(command(server, tmp_path, "download", "--revision", "v1.0.0"))
    assert code == 0, err
    assert any("Revision=v1.0.0&FilePath=tf_graph.pb" in request for request in server.requests)


@needs_sdk
def test_two_downloads_at_once_fetch_once_and_both_succeed(server, tmp_path):
    results = [finish(p) for p in [command(server, tmp_path, "download") for _ in range(2)]]
    assert [code for code, _, _ in results] == [0, 0], results
    assert results[0][1] == results[1][1]
    assert Path(results[0][1].strip()).read_bytes() == GRAPH
    assert server.fetched("tf_graph.pb") == 1


@needs_sdk
@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--revision", "v9"], "no such model or revision"),
        (["nobody/nothing"], "no such model or revision"),
    ],
)
def test_download_of_what_the_hub_has_not(server, tmp_path, arguments, reason):
    failed(finish(command(server, tmp_path, "download", *arguments)), reason)


@needs_sdk
@pytest.mark.parametrize(
    ("mood", "reason"),
    [
        ("corrupt", "does not match the hash"),
        ("cut", "did not arrive whole"),
        ("html", "not a hub's answer"),
        ("denied", "without a login"),
        ("broken", "fault of its own"),
    ],
)
def test_download_from_a_hub_in_trouble(server, tmp_path, mood, reason):
    server.mood = mood
    before = HASTY if old_sdk and mood == "cut" else ""
    failed(finish(command(server, tmp_path, "download", before=before)), reason)
    whole_or_nothing(tmp_path)


@needs_sdk
def test_download_goes_on_after_a_cut(server, tmp_path):
    server.mood = "cut"
    finish(command(server, tmp_path, "download", before=HASTY if old_sdk else ""))
    server.mood = ""
    code, out, err = finish(command(server, tmp_path, "download"))
    assert code == 0, err
    assert Path(out.strip()).read_bytes() == GRAPH


@needs_sdk
def test_download_without_a_length_is_whole_or_refused(server, tmp_path):
    server.mood = "lengthless"
    result = finish(command(server, tmp_path, "download"))
    if old_sdk:
        failed(result, "did not arrive whole")
    whole_or_nothing(tmp_path)


@needs_sdk
@pytest.mark.skipif(not old_sdk, reason="SDKs since 1.38 take the main branch instead of a tag")
def test_download_of_a_model_without_a_release(server, tmp_path):
    server.tags = []
    failed(finish(command(server, tmp_path, "download")), "no released version")


@needs_sdk
def test_download_without_a_network(server, tmp_path):
    server.close()
    failed(finish(command(server, tmp_path, "download")), "cannot be reached")


@needs_sdk
def test_download_of_another_kind_of_model(server, tmp_path):
    del server.files["tf_graph.pb"]
    code, out, err = finish(command(server, tmp_path, "download"))
    assert (code, out) == (1, "")
    assert "is not a matting model" in err.splitlines()[-1]


@needs_sdk
def test_download_into_a_cache_that_cannot_be(server, tmp_path):
    (tmp_path / "cache").write_bytes(b"a file in its place")
    code, out, err = finish(command(server, tmp_path, "download"))
    assert (code, out) == (1, "") and "Traceback" not in err
    assert "cannot be written to" in err.splitlines()[-1]


@needs_sdk
def test_download_onto_a_full_disk(server, tmp_path):
    small = tmp_path / "cache"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(small)]
    try:
        subprocess.run(mount, check=True, stderr=subprocess.DEVNULL)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no right to mount a small file system here")
    try:
        failed(finish(command(server, tmp_path, "download")), "no space is left")
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_download_of_something_that_is_no_hub_id(cache):
    with pytest.raises(WeightsError, match="expected owner/name"):
        weights.download("./folder/graph.pb")


def test_download_without_the_sdk_names_the_package(cache, monkeypatch):
    monkeypatch.setitem(sys.modules, "modelscope", None)
    monkeypatch.setitem(sys.modules, "modelscope.hub.snapshot_download", None)
    with pytest.raises(WeightsError, match=r"needs modelscope: pip install"):
        hub.download(MODEL, None)
    monkeypatch.setitem(sys.modules, "filelock", None)  # it comes with the SDK
    with pytest.raises(WeightsError, match=r"needs modelscope: pip install .*\(.*'modelscope'\)"):
        weights.download()


def test_help_says_what_is_fetched_where_no_tag_is_named(capfd):
    with pytest.raises(SystemExit):
        main(["download", "--help"])
    said = " ".join(capfd.readouterr().out.split())
    assert "the newest tag; since 1.38 master" in said


@needs_sdk
def test_nothing_but_download_calls_the_hub(server, tmp_path):
    for arguments in (["info"], ["verify"], ["-i", "no-such.jpg", "--weights", "damo/not-cached"]):
        finish(command(server, tmp_path, *arguments))
    assert server.requests == []
