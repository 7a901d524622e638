"""Names of outputs, the guard of inputs, and finished outputs known again."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bshm import disk
from bshm.batch import outputs
from bshm.batch.outputs import OverwriteGuard, to_file
from bshm.batch.sources import Kind, Source, expand
from bshm.codec import marks, png
from bshm.errors import OutputError
from bshm.pipeline import Recipe


def finish(job):
    pixels = np.zeros((2, 3, 4), np.uint8)
    data = png.encode_png(pixels, mark=outputs.mark(job.source, Recipe()))
    disk.write_atomic(job.output, data)


def is_done(job):
    return outputs.is_done(job, Recipe())


def no_bytes():
    return b""


def test_equal_names_are_numbered_whatever_their_case_and_those_of_others():
    stems = ["a", "A", "a-2", "a", "b"]
    jobs = outputs.plan([Source(stem, stem, no_bytes, Kind.MISSING) for stem in stems], Path("out"))
    names = [job.output.name for job in jobs]
    assert names == ["a.png", "A-2.png", "a-2-2.png", "a-3.png", "b.png"]


def test_spellings_that_macos_takes_for_one_file_are_equal_names():
    stems = ["Zo\u00eb", "zoe\u0308", "\u017fo", "so"]
    jobs = outputs.plan([Source(stem, stem, no_bytes, Kind.MISSING) for stem in stems], Path("out"))
    assert [job.output.stem[-2:] == "-2" for job in jobs] == [False, True, False, True]


def test_only_the_same_state_of_the_same_photo_is_done(tmp_path):
    photo = tmp_path / "x.bmp"
    photo.write_bytes(b"one")
    [job] = outputs.plan(expand([str(photo)]), tmp_path / "out")
    assert not is_done(job)
    finish(job)
    assert is_done(job) and not outputs.is_done(job, Recipe(only_alpha=True))
    os.utime(str(photo), (1, 1))
    assert not is_done(job)


def test_photo_of_the_same_name_size_and_time_elsewhere_is_not_done(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.bmp").write_bytes(b"one")
        os.utime(str(tmp_path / folder / "x.bmp"), (1, 1))
    [first] = outputs.plan(expand([str(tmp_path / "a")]), tmp_path / "out")
    [second] = outputs.plan(expand([str(tmp_path / "b")]), tmp_path / "out")
    assert first.output == second.output
    finish(first)
    assert is_done(first) and not is_done(second)


def test_stdin_is_never_done_and_an_address_is(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    [stdin] = outputs.plan(expand(["-"]), tmp_path)
    [address] = outputs.plan(expand(["https://example.com/a.jpg?size=9"]), tmp_path)
    [other] = outputs.plan(expand(["https://example.com/a.jpg?size=10"]), tmp_path)
    for job in (stdin, address):
        finish(job)
    assert not is_done(stdin) and is_done(address) and not is_done(other)


def test_outputs_tell_nobody_where_their_photos_were(tmp_path):
    [job] = outputs.plan(expand(["https://example.com/a.jpg?Signature=secret"]), tmp_path)
    finish(job)
    data = job.output.read_bytes()
    assert b"secret" not in data and b"example" not in data
    assert marks.is_own(job.output)


class CountedSet(set):
    """A set that counts how often it was asked."""

    asked = 0

    def __contains__(self, name):
        self.asked += 1
        return super().__contains__(name)


@pytest.mark.parametrize("name", ["{stem}", "result"])
def test_a_name_is_found_in_a_few_looks_however_many_photos_want_it(name):
    sources, taken = [Source("p.jpg", "p", no_bytes, Kind.MISSING)] * 200, CountedSet()
    jobs = list(outputs.plan(sources, Path("out"), name, taken=taken))
    assert jobs[-1].output.stem == name.replace("{stem}", "p") + "-200"
    assert len(jobs) <= taken.asked <= 3 * len(jobs)
    different = [Source("p.jpg", "p%d" % number, no_bytes, Kind.MISSING) for number in range(200)]
    taken = CountedSet()
    list(outputs.plan(different, Path("out"), name, taken=taken))
    assert taken.asked <= 3 * len(different)


@pytest.mark.parametrize("link", ["symlink", "link"])
def test_inputs_are_spared_under_any_name(tmp_path, link):
    photo, output = tmp_path / "photo.png", tmp_path / "out.png"
    photo.write_bytes(b"photo")
    try:
        getattr(os, link)(str(photo), str(output))
    except OSError:
        pytest.skip("no links here")
    [source] = expand([str(photo)])
    guard = OverwriteGuard([to_file(source, output)])
    with pytest.raises(OutputError, match="would overwrite an input"):
        guard.check(to_file(source, output))
    guard.check(to_file(source, tmp_path / "another.png"))
    guard.check(outputs.Job(source, bytes))


@pytest.mark.parametrize("folder", [".", "out"])
def test_a_file_in_the_way_is_spared_unless_it_is_a_cutout_or_chosen(tmp_path, folder):
    photo, other = tmp_path / "a.jpg", tmp_path / folder / "a.png"
    other.parent.mkdir(exist_ok=True)
    photo.write_bytes(b"photo")
    other.write_bytes(b"another photo")
    [job] = outputs.plan(expand([str(photo)]), tmp_path / folder)
    with pytest.raises(OutputError, match="a file that bshm did not make"):
        OverwriteGuard([job]).check(job)
    OverwriteGuard([job]).check(job._replace(may_replace_foreign_file=True))
    finish(job)
    OverwriteGuard([job]).check(job)
    with Image.open(other) as cutout:  # somebody goes on working with it
        cutout.rotate(90).save(other)
    with pytest.raises(OutputError, match="a file that bshm did not make"):
        OverwriteGuard([job]).check(job)


def test_the_longest_names_have_room_for_extension_and_number(tmp_path):
    sources = [
        Source("", stem, no_bytes, Kind.MISSING) for stem in ("x" * 251, "x" * 251, "ü" * 127)
    ]
    names = [job.output.name for job in outputs.plan(sources, tmp_path)]
    assert names == ["x" * 251 + ".png", "x" * 249 + "-2.png", "ü" * 125 + ".png"]


def test_long_names_keep_what_a_pattern_adds():
    sources = [Source("", "ü" * 130, no_bytes, Kind.MISSING)] * 2
    jobs = list(outputs.plan(sources, Path("out"), "{stem}_cut", "webp", both=True))
    files = [job.output.name for job in jobs], [job.matte.name for job in jobs]
    assert [len(name.encode()) for name in files[0] + files[1]] == [255, 255, 254, 254]
    assert [name.lstrip("ü") for name in files[0]] == ["_cut.webp", "_cut-2.webp"]
    assert [name.lstrip("ü") for name in files[1]] == ["_cut_matte.png", "_cut-2_matte.png"]


def test_a_name_that_is_all_dots_stays_in_the_folder(tmp_path):
    (tmp_path / "..jpg").write_bytes(b"")
    [source] = expand([str(tmp_path / "..jpg")])
    [job] = outputs.plan([source], Path("out"))
    assert job.output == Path("out", "..png")
