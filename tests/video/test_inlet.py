"""Films out of pipes of all kinds."""

from __future__ import annotations

import io
import os
import select
import sys

import pytest

from bshm.errors import InputError
from bshm.video.inlet import open_film
from tests.video import films

needs_posix = pytest.mark.skipif(os.name == "nt", reason="POSIX only")


def refusal():
    with pytest.raises(InputError) as caught:
        open_film("-")
    return str(caught.value)


def test_a_closed_stdin_is_refused(monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    assert refusal() == "stdin: is closed"


def test_a_stdin_that_cannot_be_read_is_refused(monkeypatch, tmp_path):
    class Broken(io.RawIOBase):
        def readable(self):
            return True

        def readinto(self, into):
            raise OSError(5, "Input/output error")

    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(Broken())))
    assert refusal() == "stdin: cannot be read: Input/output error"


@needs_posix
def test_a_terminal_is_not_waited_for(monkeypatch):
    master, terminal = os.openpty()
    with open(terminal) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        assert refusal() == "stdin: is a terminal; pipe a film in"
    os.close(master)


@needs_posix
@pytest.mark.parametrize("ending", ["mkv", "mp4"])
def test_a_stdin_that_does_not_block_is_waited_for(monkeypatch, tmp_path, ending):
    path = tmp_path / ("in." + ending)
    films.write(path, 4)
    data = path.read_bytes()
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    cuts = [0, 5, 12, 600, *range(5000, len(data), 5000), len(data)]
    coming = [data[begin:end] for begin, end in zip(cuts, cuts[1:]) if end > begin]
    wait = select.select

    def waiting(*streams):  # what is waited for comes only now
        if coming:
            os.write(writer, coming.pop(0))
        elif not closed:
            closed.append(os.close(writer))
        return wait(*streams)

    closed = []
    monkeypatch.setattr(select, "select", waiting)
    with open(reader) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        film = open_film("-")
        assert len(list(film.events())) == 4
        film.close()
    assert closed


@needs_posix
def test_a_name_with_a_colon_is_no_protocol(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    films.write(tmp_path / "film.mkv", 3, sound="libopus")
    os.rename("film.mkv", "2024-05-01T12:30:00.mkv")
    made = films.make("2024-05-01T12:30:00.mkv", "12:30.webm", name="webm")
    assert made.frames == 3 and films.sounds("./12:30.webm")[0]


@needs_posix
def test_a_pipe_by_name_is_refused_with_advice(tmp_path):
    """It would be read from its middle: a film is opened more than once."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="is a pipe or a device; name - and redirect it to stdin"):
        open_film(str(tmp_path / "pipe"))
