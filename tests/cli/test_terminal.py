"""The command called from Python, with something else in the place of stdout."""

from __future__ import annotations

import contextlib
import io

import pytest
from PIL import Image

from bshm.cli.main import main


@pytest.fixture
def photo(tmp_path):
    Image.new("RGB", (64, 64), "gray").save(tmp_path / "photo.png")
    return str(tmp_path / "photo.png")


def test_paths_reach_a_stream_without_a_descriptor(photo, tmp_path):
    with contextlib.redirect_stdout(io.StringIO()) as said:
        assert main([photo, "-q", "-o", str(tmp_path / "ä.png")]) == 0
    assert said.getvalue() == "%s\n" % (tmp_path / "ä.png")


def test_a_picture_reaches_a_stream_without_a_descriptor_but_with_bytes(photo):
    with contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO())) as stream:
        assert main([photo, "-q", "-o", "-"]) == 0
    with Image.open(stream.buffer) as cutout:
        assert (cutout.mode, cutout.size) == ("RGBA", (64, 64))


def test_a_picture_for_a_stream_of_text_is_one_line(photo, capfd):
    with contextlib.redirect_stdout(io.StringIO()):
        assert main([photo, "-q", "-o", "-"]) == 1
    expected = "bshm: stdout: cannot be written: it is a StringIO here, of text alone"
    assert capfd.readouterr().err.splitlines() == [expected]
