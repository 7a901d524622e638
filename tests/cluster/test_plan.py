"""Plans: which photos are done together, and what their cutouts are called."""

from __future__ import annotations

import itertools
import pickle
import random
from pathlib import Path

import pytest

from bshm.batch import outputs, sources
from bshm.cluster.plan import Names, Plan
from bshm.pipeline import Recipe


def plan(*inputs, **options):
    known = {"folder": "out", "recipes": (Recipe(),), "weights": "bshm-lite", "sha256": "0"}
    known.update({"device": "cpu", "engine": "onnx", "threads": 1, "size": 8})
    return Plan(inputs=inputs, **{**known, **options})


@pytest.fixture
def listed(tmp_path):
    """A function that writes a list file of so many names, and gives what names it."""

    def write(names):
        path = tmp_path / "names.txt"
        path.write_text("".join("memory://in/%s\n" % name for name in names), "utf-8")
        return "@%s" % path

    return write


def photos(count):
    return ["%05d.jpg" % number for number in range(count)]


def test_every_photo_is_in_one_shard_in_order(listed):
    shards = list(plan(listed(photos(300))).shards())
    jobs = [job for shard in shards for job in shard.jobs]
    assert [job.source.name for job in jobs] == ["memory://in/" + name for name in photos(300)]
    assert len({shard.key for shard in shards}) == len(shards)
    first = list(itertools.accumulate((len(shard.jobs) for shard in shards), initial=0))
    assert [shard.first for shard in shards] == first[:-1]
    sizes = [len(shard.jobs) for shard in shards]
    assert all(2 <= size <= 16 for size in sizes[:-1]) and 20 < len(sizes) < 60


@pytest.mark.parametrize("size", [1, 2, 3])
def test_shards_may_be_as_small_as_one_photo(listed, size):
    shards = list(plan(listed(photos(20)), size=size).shards())
    assert sum(len(shard.jobs) for shard in shards) == 20
    assert max(len(shard.jobs) for shard in shards) <= 2 * size


def test_new_photos_change_the_shards_they_fall_into_and_no_others(listed):
    def sources_by_key(names):
        shards = plan(listed(names)).shards()
        return {shard.key: [job.source for job in shard.jobs] for shard in shards}

    before = sources_by_key(photos(2000))
    after = sources_by_key(sorted([*photos(2000), "00777-b.jpg", "01234-b.jpg"]))
    changed = [key for key in after if after[key] != before.get(key)]
    assert 1 <= len(changed) <= 12 and len(after) > 150


def test_cutouts_are_called_as_the_command_calls_them(tmp_path):
    names = ["a.jpg", "a.png", "a-2.jpg", "b.jpg", "A.webp", "sub/a.jpg", "sub/c.jpg"]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    for recursive, both in itertools.product((False, True), repeat=2):
        inputs = (str(tmp_path), str(tmp_path / "sub"))
        expected = outputs.plan(sources.expand(inputs, recursive), Path("out"), both=both)
        made = plan(*inputs, recursive=recursive, both=both, size=2).shards()
        got = [(job.output, job.matte) for shard in made for job in shard.jobs]
        assert got == [(job.output, job.matte) for job in expected]


def test_names_taken_are_remembered_as_in_a_set():
    names, known = Names(), set()
    pick = random.Random(7)
    for _ in range(500):
        name = str(pick.randrange(300))
        assert (name in names) == (name in known)
        names.update([name])
        known.add(name)


def test_names_are_listed_only_as_far_as_they_are_asked(tmp_path, monkeypatch):
    read = []

    def lines(named):
        for name in photos(10**6):
            read.append(name)
            yield "memory://in/" + name

    monkeypatch.setattr(sources, "_lines", lines)
    shards = plan("@names.txt").shards()
    assert len(next(shards).jobs) == len(read) < 20


@pytest.mark.parametrize("replace", [False, True])
def test_a_folder_is_listed_twice_only_where_its_photos_may_be_replaced(
    tmp_path, monkeypatch, replace
):
    for name in photos(40):
        (tmp_path / name).write_bytes(b"x")
    file, made = sources._file, []

    def counted(path, *arguments, **options):
        made.append(path)
        return file(path, *arguments, **options)

    monkeypatch.setattr(sources, "_file", counted)
    next(plan(str(tmp_path), folder=str(tmp_path), replace=replace).shards())
    assert (len(made) > 40) == replace
    made.clear()
    next(plan(str(tmp_path), folder=str(tmp_path / "new"), replace=replace).shards())
    assert len(made) <= 16


def test_each_photo_takes_the_next_recipe_wherever_its_shard_begins(listed):
    made = plan(listed(photos(30)), recipes=(Recipe(), Recipe(crop=1), Recipe(crop=2)))
    crops = [
        made.recipe(shard.first + place).crop
        for shard in made.shards()
        for place in range(len(shard.jobs))
    ]
    assert crops == [None, 1, 2] * 10


def test_a_state_is_of_the_photo_its_recipe_the_weights_and_the_output(tmp_path):
    photo = tmp_path / "x.jpg"
    photo.write_bytes(b"one")

    def state(**options):
        made = plan(str(photo), **options)
        [shard] = made.shards()
        return made.state(shard.jobs[0], made.recipe(0))

    same = state()
    assert state() == same
    assert same not in (state(sha256="1"), state(recipes=(Recipe(crop=1),)), state(folder="o"))
    photo.write_bytes(b"another")
    assert state() != same


def test_the_report_of_a_job_is_found_again_by_the_same_job():
    assert plan("a").report == plan("a", threads=2, sha256="1").report
    assert len({str(plan(*inputs).report) for inputs in ("a", "b", "ab")}) == 3
    assert plan("a", home="/x").report == plan("/x/a", home="/y").report


def test_names_alike_in_two_places_are_two_jobs():
    for named in ("photos", "@names.txt"):
        assert plan(named, home="/x").report != plan(named, home="/y").report
    for address in ("s3://in/photos", "@s3://in/names.txt", "https://example.org/a.jpg"):
        assert plan(address, home="/x").report == plan(address, home="/y").report


def test_tar_files_of_two_jobs_never_have_one_name():
    tars = {str(plan(named).tar(key)) for named in ("a", "b") for key in ("1", "2")}
    assert len(tars) == 4 and all(Path(tar).parent == Path("out") for tar in tars)
    assert pickle.loads(pickle.dumps(plan("a"))) == plan("a")
