"""Films and frames that bshm made are known again, and others are not replaced."""

from __future__ import annotations

import av
import pytest
from PIL import Image, ImageSequence

from bshm.errors import OutputError
from bshm.video import formats, own
from tests.video import films

ENDINGS = ["webm", "mov", "mp4", "gif", "webp", "apng"]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_film_bears_a_mark_that_players_skip(tmp_path, ending):
    source, output = tmp_path / "in.mp4", tmp_path / ("out." + ending)
    films.write(source, 5)
    films.make(source, output)
    assert own.is_own(output) and not own.is_own(source)
    if ending != "webp":  # which FFmpeg does not read where it moves
        with av.open(str(output), options={"err_detect": "explode"}) as film:
            assert len(list(film.decode(video=0))) == 5
    if ending in ("gif", "webp", "apng"):
        with Image.open(output) as picture:
            assert len([frame.load() for frame in ImageSequence.Iterator(picture)]) == 5
            assert picture.n_frames == 5


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_film_that_was_changed_bears_none(tmp_path, ending):
    source, output = tmp_path / "in.mp4", tmp_path / ("out." + ending)
    films.write(source, 5)
    films.make(source, output)
    output.write_bytes(output.read_bytes() + b" ")
    form = formats.FORMATS[ending]
    with pytest.raises(OutputError, match="bshm did not make it, or it was changed"):
        own.check(str(output), form)
    with pytest.raises(OutputError):
        films.make(source, output, may_replace_foreign=False)
    films.make(source, output)
    own.check(str(output), form)


@pytest.mark.parametrize("ending", ["webm", "webp"])
def test_half_downloads_of_others_stay(tmp_path, ending):
    source, output = tmp_path / "in.mp4", tmp_path / ("out." + ending)
    films.write(source, 3)
    half = output.with_name(output.name + ".part")  # as browsers name them
    half.write_bytes(b"half of it")
    films.make(source, output)
    assert half.read_bytes() == b"half of it"
    assert names(tmp_path) == ["in.mp4", output.name, half.name]


@pytest.mark.parametrize("name", ["100%/", "50%done/", "%d/%03d.png", "%s/take1_%d%%.png"])
def test_a_folder_may_have_any_name(tmp_path, name):
    films.write(tmp_path / "in.mp4", 3)
    films.make(tmp_path / "in.mp4", str(tmp_path / name), name="png")
    folder = tmp_path / name.split("/")[0]
    assert len(names(folder)) == 4 and names(tmp_path) == sorted([folder.name, "in.mp4"])


@pytest.mark.parametrize("name", ["f", "f/take1_%03d%%.png"])
def test_frames_of_others_stay(tmp_path, name):
    source, folder = tmp_path / "in.mp4", tmp_path / "f"
    films.write(source, 3)
    folder.mkdir()
    foreign = folder / ("000002.png" if name == "f" else "take1_002%.png")
    Image.new("RGBA", (4, 4)).save(foreign)
    before = foreign.read_bytes()
    with pytest.raises(OutputError) as caught:
        films.make(source, tmp_path / name, name="png")
    assert caught.value.subject == str(foreign)
    assert names(folder) == [foreign.name] and foreign.read_bytes() == before
    films.make(source, tmp_path / name, name="png", may_replace_foreign=True)
    assert len(names(folder)) == 4 and foreign.read_bytes() != before


def test_timestamps_of_others_stay(tmp_path):
    films.write(tmp_path / "in.mp4", 3)
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "timestamps.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"timestamps\.txt: is there"):
        films.make(tmp_path / "in.mp4", tmp_path / "f", name="png")


def test_frames_of_a_longer_film_go_and_others_stay(tmp_path):
    folder = tmp_path / "f"
    films.write(tmp_path / "long.mp4", 5)
    films.write(tmp_path / "short.mp4", 3)
    films.make(tmp_path / "long.mp4", folder, name="png")
    Image.new("L", (4, 4)).save(folder / "cover.png")
    (folder / "7.png").write_bytes((folder / "000004.png").read_bytes())
    films.make(tmp_path / "short.mp4", folder, name="png")
    frames = ["%06d.png" % number for number in (1, 2, 3)]
    assert names(folder) == [*frames, "7.png", "cover.png", "timestamps.txt"]
