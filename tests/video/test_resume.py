"""Work that is done stays done: whatever ends a run, the same command goes on to the same film."""

from __future__ import annotations

import errno
import os
import random
import signal
import subprocess
import sys

import pytest

from bshm import disk
from bshm.errors import OutputError
from tests.helpers import ROOT
from tests.video import films

pytestmark = pytest.mark.skipif(os.name == "nt", reason="kill -9 and limits are POSIX's")
COUNT = 43  # frames: eight parts of five and one of three


def start(*arguments):
    command = [sys.executable, "-m", "tests.video.make_film", *map(str, arguments)]
    return subprocess.Popen(command, cwd=str(ROOT), stdout=subprocess.PIPE, text=True)


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.mark.parametrize("name", ["out.mp4", "out.webm", "out.gif", "f/%03d.png"])
def test_killed_runs_go_on_to_the_same_film(tmp_path, name):
    source = tmp_path / "in.mkv"
    films.write(source, COUNT, films.UNEVEN, sound="libopus")
    whole, killed = tmp_path / "whole" / name, tmp_path / "killed" / name
    for path in (whole, killed):
        path.parent.mkdir(parents=True)
    assert films.make(source, whole, part_frames=5).resumed == 0

    chance = random.Random(name)
    folder = killed.parent / (".bshm-parts" if "%" in name else ".%s.bshm-parts" % name)
    runs = []
    for _ in range(3):
        run = start(source, killed, "--moments", chance.randrange(12, 40))
        run.communicate()
        runs.append(run.returncode)
    assert runs[0] == -signal.SIGKILL and set(runs) <= {-signal.SIGKILL, 0}
    run = start(source, killed)
    said = run.communicate()[0].split()
    assert run.returncode == 0 and said[0] == str(COUNT)
    assert files(killed.parent) == files(whole.parent)
    assert not folder.exists()


def test_a_disk_without_locks_takes_films(tmp_path, monkeypatch):
    def lock(file):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(disk, "lock", lock)
    films.write(tmp_path / "in.mkv", 3)
    assert films.make(tmp_path / "in.mkv", tmp_path / "out.webm").frames == 3


def test_a_png_that_a_killed_run_was_writing_does_not_stay(tmp_path):
    films.write(tmp_path / "in.mkv", 3)
    folder = tmp_path / "f"
    folder.mkdir()
    (folder / (".bshm-%s.tmp" % ("0" * 16))).write_bytes(b"half of a PNG")
    films.make(tmp_path / "in.mkv", folder / "%d.png")
    assert sorted(files(folder)) == ["1.png", "2.png", "3.png", "timestamps.txt"]


@pytest.mark.parametrize("name", ["out.webm", "out.webp"])
def test_a_film_that_a_killed_run_was_writing_does_not_stay(tmp_path, name):
    source, output = tmp_path / "in.mkv", tmp_path / "films" / name
    films.write(source, 3)
    output.parent.mkdir()
    (output.parent / (".bshm-%s.tmp" % ("0" * 16))).write_bytes(b"half of a film")
    films.make(source, output)
    assert list(files(output.parent)) == [name]


@pytest.mark.parametrize("limit", [3000, 28000])
def test_a_full_disk_is_a_line_and_the_next_run_goes_on(tmp_path, limit):
    source = tmp_path / "in.mkv"
    films.write(source, COUNT, sound="libopus")
    films.make(source, tmp_path / "whole.mp4", part_frames=5)
    assert (tmp_path / "whole.mp4").stat().st_size > 28000
    output = tmp_path / "out.mp4"
    run = start(source, output, "--bytes", limit)
    said = run.communicate()[0]
    assert run.returncode == 1
    assert said.count("\n") == 1 and "cannot be written: the file is larger" in said
    assert not output.exists()
    run = start(source, output)
    frames, resumed = map(int, run.communicate()[0].split())
    assert frames == COUNT and (resumed == COUNT) == (limit == 28000)
    assert output.read_bytes() == (tmp_path / "whole.mp4").read_bytes()


def interrupted(source, output, after, **options):
    def stop(done, expected):
        if done == after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        films.make(source, output, tell=stop, part_frames=5, **options)


def remove(files):
    for path in files:
        path.unlink()


def empty(files):
    for path in files:
        path.write_bytes(b"")


def fill(files):
    for path in files:
        path.write_bytes(b"somebody's")


@pytest.mark.parametrize("harm", [remove, empty, fill])
@pytest.mark.parametrize("pattern", ["*.png", "00000[13].png"])
def test_frames_that_are_no_longer_there_are_made_again(tmp_path, harm, pattern):
    source, folder = tmp_path / "in.mp4", tmp_path / "f"
    films.write(source, 12)
    films.make(source, tmp_path / "whole" / "%06d.png")
    interrupted(source, folder, 8, name="png")
    harm(folder.glob(pattern))
    options = {"part_frames": 5, "name": "png", "may_replace_foreign": True}
    made = films.make(source, folder, **options)
    assert (made.frames, made.resumed) == (12, 0)
    assert files(folder) == files(tmp_path / "whole")


@pytest.mark.parametrize("harm", [remove, empty])
@pytest.mark.parametrize("pattern", ["000001.mp4", "after-*"])
def test_parts_that_are_no_longer_there_are_made_again(tmp_path, harm, pattern):
    source, output = tmp_path / "in.mp4", tmp_path / "out.mp4"
    films.write(source, 12)
    films.make(source, tmp_path / "whole.mp4", part_frames=5)
    interrupted(source, output, 11)
    (harmed,) = (tmp_path / ".out.mp4.bshm-parts").glob(pattern)
    harm([harmed])
    made = films.make(source, output, part_frames=5)
    assert (made.frames, made.resumed) == (12, 0)
    assert output.read_bytes() == (tmp_path / "whole.mp4").read_bytes()


@pytest.mark.parametrize("ending", ["mp4", "gif"])
@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_part_that_is_damaged_is_named(tmp_path, ending, number, share):
    source, output = tmp_path / "in.mp4", tmp_path / ("out." + ending)
    films.write(source, 12)
    interrupted(source, output, 11)
    folder = tmp_path / (".%s.bshm-parts" % output.name)
    (part,) = folder.glob("%06d.*" % number)
    data = part.read_bytes()
    part.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(OutputError) as caught:
        films.make(source, output, part_frames=5)
    assert (caught.value.code, caught.value.subject) == ("part_damaged", str(folder))
    assert not output.exists()


def test_parts_of_another_film_or_other_wishes_are_not_taken(tmp_path):
    source, output = tmp_path / "in.mp4", tmp_path / "out.mp4"
    films.write(source, 12)
    interrupted(source, output, 8)
    assert films.make(source, output, part_frames=5, steady=False).resumed == 0
    interrupted(source, output, 8)
    films.write(source, 11)
    made = films.make(source, output, part_frames=5)
    assert (made.frames, made.resumed) == (11, 0)
    interrupted(source, output, 8)
    assert films.make(source, output, part_frames=5).resumed == 5


def test_an_earlier_output_stays_until_the_new_one_is_whole(tmp_path):
    source, output = tmp_path / "in.mp4", tmp_path / "out.mp4"
    films.write(source, 12)
    output.write_bytes(b"before")
    interrupted(source, output, 8)
    assert output.read_bytes() == b"before"
    films.make(source, output, part_frames=5)
    assert len(films.read(output).frames) == 12


def test_two_runs_for_one_output_do_not_meet(tmp_path):
    source, output = tmp_path / "in.mp4", tmp_path / "out.mp4"
    films.write(source, 12)
    refused = []

    def second(done, expected):
        if not refused:
            with pytest.raises(OutputError, match="another run is at work there"):
                films.make(source, output, part_frames=5)
            refused.append(done)

    films.make(source, output, tell=second)
    assert refused and len(films.read(output).frames) == 12


def test_the_film_itself_is_not_overwritten(tmp_path):
    films.write(tmp_path / "in.mp4", 3)
    (tmp_path / "link.mp4").symlink_to(tmp_path / "in.mp4")
    before = (tmp_path / "in.mp4").read_bytes()
    for name in ("in.mp4", "link.mp4"):
        with pytest.raises(OutputError, match="would be overwritten"):
            films.make(tmp_path / "in.mp4", tmp_path / name)
    assert (tmp_path / "in.mp4").read_bytes() == before
