"""Photos and cutouts in stores: a real server of S3's protocol, and the one in memory."""

from __future__ import annotations

import itertools
import pickle
import sys

import pytest

from bshm.batch import outputs, stores
from bshm.batch.run import Status, do_one, run_all
from bshm.batch.sources import expand, iterate
from bshm.batch.stores import StorePath
from bshm.errors import InputError, OutputError
from bshm.pipeline import Recipe
from tests.batch.test_run import Everybody
from tests.helpers import refusal

# Older ones, of Python 3.7, know no patterns.
fsspec = pytest.importorskip("fsspec", minversion="2023.10")


@pytest.fixture
def memory():
    """The store in this process's memory, empty."""
    files = fsspec.filesystem("memory")
    files.store.clear()
    files.pseudo_dirs[:] = [""]
    return files


@pytest.fixture
def png(pixels):
    from bshm.codec.png import encode_png

    return encode_png(pixels[..., 0].copy())


def named(*inputs, recursive=False):
    return [source.name for source in expand(list(inputs), recursive)]


def test_a_folder_a_file_and_a_pattern(memory):
    for name in ("a.jpg", "b.png", "notes.txt", ".hidden.jpg", "sub/c.jpg", "sub/.h/d.jpg"):
        memory.pipe("/in/" + name, b"x")
    top = ["memory://in/a.jpg", "memory://in/b.png"]
    assert named("memory://in") == named("memory://in/") == top
    assert named("memory://in", recursive=True) == [*top, "memory://in/sub/c.jpg"]
    assert named("memory://in/*.jpg") == ["memory://in/a.jpg"]
    assert named("memory://in/**/*.jpg") == ["memory://in/a.jpg", "memory://in/sub/c.jpg"]
    assert named("memory://in/?.[pq]ng") == ["memory://in/b.png"]
    memory.pipe("/in/[1].jpg", b"x")
    assert named("memory://in/[1].jpg") == ["memory://in/[1].jpg"]
    assert named("memory://in/notes.txt") == ["memory://in/notes.txt"]
    [*_, source] = expand(["memory://in"], recursive=True)
    assert (source.stem, str(source.parent), source.read()) == ("c", "sub", b"x")


def test_what_is_not_there_is_said(memory):
    memory.pipe("/in/notes.txt", b"x")
    cases = {
        "memory://none": "no such file or folder",
        "memory://in": "no photos in this folder",
        "memory://in/*.jpg": "nothing matches this pattern",
        "nonesuch://b/x.jpg": "is neither a path nor an address that fsspec knows",
    }
    for address, words in cases.items():
        [source] = expand([address])
        assert words in refusal(source)


def test_files_beyond_the_limit_are_refused(memory):
    memory.pipe("/in/a.jpg", bytes(100))
    [source] = expand(["memory://in/a.jpg"], file_bytes=99)
    with pytest.raises(InputError, match="larger than the limit"):
        source.read()
    assert len(expand(["memory://in/a.jpg"], file_bytes=100)[0].read()) == 100


def test_s3_is_listed_page_by_page_and_only_as_far_as_it_is_asked(bucket, monkeypatch):
    for number in range(7):
        bucket.pipe("photos/in/%d.jpg" % number, b"x")
    bucket.pipe("photos/in/sub/7.jpg", b"x")
    bucket.pipe("photos/in.jpg", b"x")
    bucket.pipe("photos/in/sub//8.jpg", b"eight")
    asked = []
    call = type(bucket).call_s3

    def pages_of_three(self, method, **arguments):
        asked.append(arguments)
        return call(self, method, **arguments, MaxKeys=3)

    monkeypatch.setattr(type(bucket), "call_s3", pages_of_three)
    first = list(itertools.islice(iterate(["s3://photos/in"], recursive=True), 2))
    assert [source.stem for source in first] == ["0", "1"] and len(asked) == 1
    stems = [source.stem for source in expand(["s3://photos/in"], recursive=True)]
    assert sorted(stems) == list("012345678")
    [double] = [each for each in expand(["s3://photos/in"], recursive=True) if each.stem == "8"]
    assert double.read() == b"eight"
    assert [source.stem for source in expand(["s3://photos/in/"])] == list("0123456")


def test_no_address_shows_its_password(memory):
    place = StorePath("sftp://user:s3cret@host/x.jpg")
    [source] = expand(["sftp://user:s3cret@127.0.0.1:1/x.jpg"])
    shown = [str(place), repr(place), str(place / "a"), source.name, refusal(source), repr(source)]
    assert not any("s3cret" in text for text in shown)
    assert place.bare == "sftp://host/x.jpg"


def test_cutouts_are_written_recognised_and_not_taken_for_photos(bucket, png):
    bucket.pipe("photos/a.png", png)
    recipe, out = Recipe(format="webp"), outputs.to_output("s3://photos")

    def jobs():
        return list(outputs.plan(expand(["s3://photos"]), out, format="webp", both=True))

    [job] = jobs()
    assert not outputs.is_done(job, recipe)
    done = do_one(job, Everybody(), recipe)
    assert done.status is Status.DONE and str(done.job.output) == "s3://photos/a.webp"
    assert outputs.is_done(job, recipe) and not outputs.is_done(job, Recipe(crop=1))
    names = sorted(bucket.ls("photos", detail=False))
    assert names == ["photos/a.png", "photos/a.webp", "photos/a_matte.png"]
    again = [do_one(job, Everybody(), recipe, skip_existing=True) for job in jobs()]
    assert [result.status.value for result in again] == ["skipped", "skipped", "skipped"]
    assert sorted(bucket.ls("photos", detail=False)) == names
    bucket.pipe("photos/a.png", png + b"changed")
    assert not outputs.is_done(jobs()[0], recipe)


@pytest.mark.parametrize("replace", [False, True])
def test_neither_inputs_nor_files_of_others_are_replaced_in_silence(memory, png, replace):
    memory.pipe("/in/a.png", png)
    [job] = outputs.plan(expand(["memory://in"]), StorePath("memory://in"), replace=replace)
    failed = do_one(job, Everybody(), Recipe())
    code = "would_overwrite_input" if replace else "foreign_file"
    assert failed.error.code == code and memory.cat("/in/a.png") == png
    [job] = outputs.plan(expand(["memory://in"]), StorePath("memory://out"), replace=replace)
    memory.pipe("/out/a.png", b"somebody's")
    result = do_one(job, Everybody(), Recipe())
    assert (result.status is Status.DONE) == replace
    assert (memory.cat("/out/a.png") == b"somebody's") != replace


@pytest.mark.parametrize("replace", [False, True])
def test_a_cutout_that_is_named_is_an_input_and_one_that_is_listed_is_none(memory, png, replace):
    memory.pipe("/in/a.jpg", png)
    folder = StorePath("memory://in")

    def run(what):
        results = []
        jobs = list(outputs.plan(expand([what]), folder, replace=replace))
        run_all(jobs, Everybody, results.append, Recipe())
        return [(result.status.value, result.error and result.error.code) for result in results]

    for ours in range(2):  # a.png is there the second time
        assert run("memory://in/*") == [("done", None)] + [("skipped", None)] * ours
    cutout = memory.cat("/in/a.png")
    assert run("memory://in/a.png") == [("failed", "would_overwrite_input")]
    assert memory.cat("/in/a.png") == cutout


def test_elsewhere_than_in_object_stores_a_file_is_renamed_when_whole(memory, monkeypatch):
    monkeypatch.setattr(stores, "ATOMIC", ())
    seen = []
    pipe = type(memory).pipe_file

    def pipe_file(self, path, data, **options):
        seen.append(path)
        pipe(self, path, data, **options)

    monkeypatch.setattr(type(memory), "pipe_file", pipe_file)
    stores.write_own(StorePath("memory://out/x.png"), b"whole")
    assert memory.cat("/out/x.png") == b"whole" and ".bshm-" in seen[0]
    assert memory.ls("/out", detail=False) == ["/out/x.png"]


def test_a_folder_that_takes_nothing_is_told_before_the_run(bucket):
    outputs.try_folder(StorePath("s3://photos/out/x.png"))
    assert bucket.ls("photos", detail=False) == []
    with pytest.raises(OutputError, match=r"^s3://no-such-bucket/out: cannot be written"):
        outputs.try_folder(StorePath("s3://no-such-bucket/out/x.png"))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_list_file_names_photos_one_a_line(tmp_path, memory, png, encoding):
    memory.pipe("/in/a.png", png)
    (tmp_path / "b.png").write_bytes(png)
    text = "# photos\nmemory://in/a.png\r\n\n%s\nmemory://in/none.png\n" % (tmp_path / "b.png")
    (tmp_path / "list.txt").write_bytes(text.encode(encoding))
    memory.pipe("/list.txt", text.encode(encoding))
    for listed in ("@%s" % (tmp_path / "list.txt"), "@memory://list.txt"):
        first, second, third = expand([listed])
        assert (first.stem, second.path) == ("a", tmp_path / "b.png")
        assert first.read() == second.read() == png
        assert "no such file" in refusal(third)
    [source] = expand(["@" + str(tmp_path / "none.txt")])
    assert "No such file" in refusal(source)


def test_a_photo_of_a_list_may_begin_as_a_comment_does(tmp_path, monkeypatch, png):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "#1.png").write_bytes(png)
    (tmp_path / "list.txt").write_text("#1.png\n#2.png\n")
    assert [source.name for source in expand(["@list.txt"])] == ["#1.png"]


def test_jobs_can_be_sent_to_another_process(tmp_path, memory, png):
    memory.pipe("/in/a.png", png)
    (tmp_path / "b.png").write_bytes(png)
    inputs = ["memory://in", str(tmp_path), "https://example.org/x.jpg", "no.jpg"]
    jobs = list(outputs.plan(expand(inputs), StorePath("memory://out")))
    sent = pickle.loads(pickle.dumps(jobs))
    assert [job.source for job in sent] == [job.source for job in jobs]
    assert sent[0].source.read() == sent[1].source.read() == png
    sent[0].write(png)
    assert memory.cat("/out/a.png") == png


def test_a_missing_package_is_one_line_that_says_what_to_install(monkeypatch):
    for module in ("gcsfs", "paramiko"):
        monkeypatch.setitem(sys.modules, module, None)
    for scheme, package in (("gs", "gcsfs"), ("sftp", "paramiko")):
        [source] = expand([scheme + "://b/x.jpg"])
        assert refusal(source).endswith(": pip install " + package)
    for module in ("fsspec", "fsspec.core"):
        monkeypatch.setitem(sys.modules, module, None)
    for scheme, packages in (("s3", "fsspec s3fs"), ("gs", "fsspec gcsfs"), ("sftp", "fsspec")):
        [source] = expand([scheme + "://b/x.jpg"])
        assert refusal(source).endswith(": pip install " + packages)
    with pytest.raises(OutputError, match="needs another package") as caught:
        outputs.to_output("s3://b/out")
    assert caught.value.code == "extra_missing"


def test_an_empty_object_is_an_empty_file(bucket):
    bucket.pipe("photos/in/a.jpg", b"")
    [source] = expand(["s3://photos/in"])
    assert source.read() == b""
    with pytest.raises(OutputError, match="did not make"):
        stores.write(StorePath("s3://photos/in/a.jpg"), b"x")


@pytest.mark.parametrize(
    ("address", "shown", "bare"),
    [
        ("memory://b/take#1.jpg", "memory://b/take#1.jpg", "memory://b/take#1.jpg"),
        # The container of Azure's addresses stands where others have a user.
        ("abfs://in@acct.net/a.png", "abfs://in@acct.net/a.png", "abfs://in@acct.net/a.png"),
        ("ftp://anna:pw@host/a.png", "ftp://host/a.png", "ftp://host/a.png"),
        ("ftp://anna:p/w#1@host/a.png", "ftp://host/a.png", None),
        ("s3://b/a.png?versionId=7", "s3://b/a.png?versionId=...", "s3://b/a.png?versionId=7"),
    ],
)
def test_what_is_shown_of_an_address_and_what_tells_it_from_others(address, shown, bare):
    place = StorePath(address)
    assert str(place) == shown and bare in (None, place.bare)


def test_names_that_differ_behind_a_hash_sign_are_different(memory):
    for number in (1, 2):
        memory.pipe("in/take#%d.jpg" % number, b"%d" % number)
    jobs = outputs.plan(expand(["memory://in"]), StorePath("memory://out"))
    assert [str(job.output) for job in jobs] == [
        "memory://out/take#1.png",
        "memory://out/take#2.png",
    ]
