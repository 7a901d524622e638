"""The real command, with the real network, on real films."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import av
import numpy as np
import pytest
from PIL import Image

from bshm.video import film
from tests.helpers import COMMAND, PORTRAITS, ROOT, bshm, lines, refused, sample
from tests.video import films

pytestmark = pytest.mark.real_command


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """A portrait that a camera drifts over, with sound."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    portrait = sample("1.png", 264, 200)
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25, options={"crf": "12"})
        stream.width, stream.height, stream.pix_fmt = 192, 256, "yuv420p"
        track = out.add_stream("aac", rate=48000, layout="mono")
        for number in range(4):
            rgb = portrait[number : 256 + number, number : 192 + number]
            out.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb))))
        out.mux(stream.encode(None))
        tone = av.AudioFrame.from_ndarray(np.zeros((1, 7680), np.float32), "fltp", "mono")
        tone.rate, tone.pts = 48000, 0
        out.mux(track.encode(tone))
        out.mux(track.encode(None))
    return path


def test_a_film_becomes_a_cutout_with_its_sound(tmp_path, clip):
    output = tmp_path / "out.mov"
    done = bshm("video", clip, "-o", output)
    assert lines(done.stdout) == [str(output)]
    rgba = films.read(output, "rgba").frames
    assert len(rgba) == 4
    for frame in rgba:
        assert frame[120:160, 80:110, 3].min() > 240  # the face
        assert frame[:12, :12, 3].max() < 15
    assert np.array_equal(films.sounds(clip)[1], films.sounds(output)[1])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.mov"]


@pytest.mark.parametrize("speed", ["best", "fast"])
def test_a_film_on_a_picture(tmp_path, clip, speed):
    output, behind = tmp_path / "out.mp4", tmp_path / "green.png"
    Image.new("RGB", (30, 40), (20, 160, 60)).save(behind)
    flags = ("--background", behind, "--light", "off", "--speed", speed)
    done = bshm("video", clip, "-o", output, *flags)
    assert lines(done.stdout) == [str(output)]
    was, now = films.read(clip).frames, films.read(output).frames
    assert len(now) == 4
    for before, after in zip(was, now):
        assert np.abs(after[:12, :12].astype(int) - (20, 160, 60)).max() < 12
        face = np.s_[120:160, 80:110]
        assert np.abs(after[face].astype(int) - before[face]).mean() < 5
    assert films.sounds(clip)[0] == films.sounds(output)[0]


def test_in_a_pipe(tmp_path, clip):
    with open(str(clip), "rb") as film:
        done = bshm("video", "-", "-o", "-", "--format", "mp4", "--only-alpha", "-q", stdin=film)
    assert done.stderr == b""
    (tmp_path / "out.mp4").write_bytes(done.stdout)
    frames = films.read(tmp_path / "out.mp4").frames
    assert len(frames) == 4 and frames[0][120:160, 80:110].min() > 240
    assert len(films.sounds(tmp_path / "out.mp4")[0]) == len(films.sounds(clip)[0])


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="POSIX only")
def test_a_named_pipe_is_written_to_and_not_replaced(tmp_path, clip):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with open(str(tmp_path / "out.webm"), "wb") as out, subprocess.Popen(
        ["cat", str(pipe)], stdout=out
    ) as reader:
        done = bshm("video", clip, "-o", pipe, "--format", "webm", "--only-alpha", "-q")
        assert lines(done.stdout) == [str(pipe)]
        assert pipe.is_fifo()
        assert reader.wait(10) == 0
    assert len(films.read(tmp_path / "out.webm").frames) == 4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.webm", "pipe"]
    done = bshm("video", clip, "-o", pipe, "--format", "gif", code=2)
    assert "cannot be streamed" in lines(done.stderr)[-1] and pipe.is_fifo()


@pytest.mark.parametrize("ending", ["mp4", "gif"])
def test_a_link_is_followed(tmp_path, clip, ending):
    (tmp_path / "films").mkdir()
    link, film = tmp_path / ("link." + ending), tmp_path / "films" / ("film." + ending)
    link.symlink_to(film)
    bshm("video", clip, "-o", link, "--only-alpha", "-q")
    assert link.is_symlink() and len(films.read(film).frames) == 4
    assert [path.name for path in film.parent.iterdir()] == [film.name]


def test_a_film_out_of_a_pipe_goes_to_the_usual_folder(tmp_path, clip):
    with open(str(clip), "rb") as film:
        done = bshm("video", "-", "--only-alpha", stdin=film, cwd=tmp_path)
    assert lines(done.stdout) == ["results/film.webm"]
    assert len(films.read(tmp_path / "results" / "film.webm").frames) == 4
    with open(str(clip), "rb") as film:  # again: it is bshm's own
        bshm("video", "-", "--only-alpha", stdin=film, cwd=tmp_path)


@pytest.mark.skipif(os.name == "nt", reason="POSIX only")
@pytest.mark.parametrize("piped", [False, True])
def test_what_comes_after_an_interruption_is_said(tmp_path, monkeypatch, clip, piped):
    make = film.make

    def make_and_be_interrupted(*arguments):
        os.kill(os.getpid(), signal.SIGINT)
        return make(*arguments)

    monkeypatch.setattr(film, "make", make_and_be_interrupted)
    output = tmp_path / "out.webm"
    with open(str(clip)) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        said = refused("video", "-" if piped else clip, "-o", output, "-q", code=130)
    goes_on = any(tmp_path.iterdir())  # there are parts
    after = "goes on where this one stopped" if goes_on else "begins anew"
    assert goes_on != piped and not output.exists()
    assert said.splitlines()[-1] == "bshm: interrupted; the same command " + after


def test_a_damaged_film_is_exit_code_1_and_a_line(tmp_path):
    films.write(tmp_path / "in.mkv", 12, (200,))  # four seconds
    data = (tmp_path / "in.mkv").read_bytes()
    (tmp_path / "in.mkv").write_bytes(data[: len(data) * 7 // 10])
    done = bshm("video", tmp_path / "in.mkv", "-o", tmp_path / "out.mp4", "-q", code=1)
    (line,) = lines(done.stderr)
    assert "in.mkv: " in line and "what could be read is written" in line
    assert films.read(tmp_path / "out.mp4").frames


def test_a_file_that_nobody_named_is_replaced_only_if_bshm_made_it(tmp_path, clip):
    usual = tmp_path / "results" / "clip.webm"
    usual.parent.mkdir()
    usual.write_bytes(b"somebody's")
    done = bshm("video", clip, cwd=tmp_path, code=1)
    (line,) = lines(done.stderr)
    assert line.startswith("bshm: results/clip.webm: is there, and bshm did not make it")
    assert line.endswith("; --force replaces it, -o names another")
    assert usual.read_bytes() == b"somebody's"
    bshm("video", clip, "--force", cwd=tmp_path)
    made = usual.read_bytes()
    bshm("video", clip, "--only-alpha", cwd=tmp_path)
    assert usual.read_bytes() != made
    usual.write_bytes(b"somebody's")
    bshm("video", clip, "-o", usual.relative_to(tmp_path), cwd=tmp_path)
    assert len(films.read(usual).frames) == 4


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 2, "expected one film"),
        (["a.mp4", "-i", "b.mp4"], 2, "expected one film"),
        (
            ["a.mp4", "--only-alpha", "--background", "red"],
            2,
            "--only-alpha writes the matte alone",
        ),
        (["a.mp4", "--light", "0.5"], 2, "--light follows a background"),
        (["a.mp4", "--background", str(ROOT / "image-matting")], 2, "one picture or film, got 2"),
        (["a.mp4", "--background", str(ROOT / "Makefile")], 1, "Makefile: is text, not an image"),
        (["missing.mp4", "-o", "o.mp4"], 1, "missing.mp4: cannot be read"),
        (["https://me:word@example.org/a.mp4", "-o", "o.mp4"], 1, "films are read from this disk"),
        ([PORTRAITS[0], "-o", "s3://b/o.mp4"], 2, "-o takes a path, got s3://b/o.mp4"),
        ([PORTRAITS[0], "-o", "o.avi"], 2, "o.avi: its ending is none of .webm"),
        ([PORTRAITS[0], "-o", "o.mp4", "--format", "webm"], 2, "o.mp4: is not the name of a WEBM"),
        ([PORTRAITS[0], "-o", "o.png"], 2, "o.png: is one PNG; a film is a folder"),
        ([PORTRAITS[0], "-o", "-", "--format", "png"], 2, "-: png cannot be streamed"),
        (["-", "--format", "gif"], 2, "gif cannot be streamed"),
    ],
)
def test_what_cannot_be_is_a_line(tmp_path, monkeypatch, arguments, code, said):
    monkeypatch.chdir(tmp_path)
    told = refused("video", *arguments, code=code)
    *_, line = told.splitlines()
    assert said in line and "word" not in line
    assert "bshm-lite" not in told  # no weights were loaded for it
    assert list(tmp_path.iterdir()) == []


UNREADABLE = "/proc/self/mem"  # for root, too; whether it opens or not


@pytest.mark.skipif(not os.path.isfile(UNREADABLE), reason="Linux only")
@pytest.mark.parametrize("role", ["background", "output"])
def test_a_file_that_cannot_be_read_is_a_line(tmp_path, monkeypatch, clip, role):
    monkeypatch.chdir(tmp_path)
    link = tmp_path / "results" / "clip.webm"
    link.parent.mkdir()
    link.symlink_to(UNREADABLE)
    flags = ("--background", link, "-o", "o.mp4") if role == "background" else ()
    said = refused("video", clip, *flags, code=1)
    known = "cannot be read: " if role == "background" else "is there, and bshm did not make it"
    assert said.startswith("bshm: ") and said.count("\n") == 1 and known in said


@pytest.mark.skipif(os.name == "nt", reason="POSIX only")
def test_a_terminal_is_sent_no_film(clip):
    master, terminal = os.openpty()
    command = [*COMMAND, "video", str(clip), "-o", "-"]
    done = subprocess.run(command, stdout=terminal, stderr=subprocess.PIPE, timeout=120)
    os.close(terminal)
    os.close(master)
    assert done.returncode == 2
    assert lines(done.stderr)[-1].endswith(
        "-o -: stdout is a terminal; pipe the film on, or name a file"
    )


@pytest.mark.skipif(os.name == "nt", reason="POSIX only")
@pytest.mark.parametrize(
    "stream, said", [(0, "stdin: is closed"), (1, "stdout: cannot be written")]
)
def test_closed_streams_are_named(clip, stream, said):
    def close():
        os.close(stream)

    source = "-" if stream == 0 else clip
    done = bshm("video", source, "-o", "-", "--only-alpha", "-q", code=1, preexec_fn=close)
    assert lines(done.stderr)[-1].startswith("bshm: " + said)
