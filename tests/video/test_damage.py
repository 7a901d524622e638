"""Damaged films give what can be read, and say so; what is no film is refused in a line."""

from __future__ import annotations

import av
import numpy as np
import pytest

from bshm.errors import InputError, OutputError
from tests.video import films


def cut(path, share):
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])


@pytest.mark.parametrize("ending", ["mkv", "webm", "ts", "mp4"])
def test_a_film_that_breaks_off(tmp_path, ending):
    source = tmp_path / ("in." + ending)
    codec = "libvpx-vp9" if ending == "webm" else "libx264"
    how = {"container_options": {"movflags": "faststart"}} if ending == "mp4" else {}
    films.write(source, 100, codec=codec, sound="libopus", **how)
    cut(source, 0.5)
    made = films.make(source, tmp_path / "out.mp4")
    assert 20 < made.frames < 90
    assert ending == "ts" or made.faults  # a TS says nowhere how long it is
    assert len(films.read(tmp_path / "out.mp4").frames) == made.frames


def test_a_short_film_that_breaks_off(tmp_path):
    source = tmp_path / "in.mkv"
    films.write(source, 12)
    cut(source, 0.8)
    made = films.make(source, tmp_path / "out.mp4")
    assert made.frames < 9 and made.faults == ["it ends after 0.3 of 0.5 s"]


@pytest.mark.parametrize("steps", [(24,), films.UNEVEN, (600,), (24, 24, 24, 24, 1800)])
@pytest.mark.parametrize("sound", [None, "aac"])
@pytest.mark.parametrize("ending", ["mkv", "mov", "ts"])
def test_a_short_film_that_is_whole(tmp_path, ending, sound, steps):
    source = tmp_path / ("in." + ending)
    films.write(source, 5, steps, sound=sound)
    assert films.make(source, tmp_path / "out.mp4").faults == []


@pytest.mark.parametrize("output", ["out.webm", "out.mp4"])
def test_sound_that_is_wrong_in_the_midst(tmp_path, output):
    """Copied it is as it was; encoded anew without what cannot be decoded."""
    source = tmp_path / "in.mp4"
    films.write(source, 60, sound="aac")
    with av.open(str(source)) as film:
        packets = [packet for packet in film.demux(audio=0) if packet.size]
        at = packets[len(packets) // 2].pos, packets[len(packets) // 2].size
    data = bytearray(source.read_bytes())
    data[at[0] : at[0] + at[1]] = b"\xff" * at[1]
    source.write_bytes(bytes(data))
    made = films.make(source, tmp_path / output)
    assert made.frames == 60 == len(films.read(tmp_path / output).frames)
    if output == "out.webm":
        assert made.faults == ["damaged packets of its sound: 1"]
        assert len(films.sounds(tmp_path / output)[1]) > 2 * 48000


def test_the_cover_of_a_song_is_no_film(tmp_path):
    with av.open(str(tmp_path / "song.mp3"), "w") as out:
        track = out.add_stream("libmp3lame", rate=48000, layout="mono")
        cover = out.add_stream("png", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 64, "rgb24"
        cover.disposition = av.stream.Disposition.attached_pic
        frame = av.VideoFrame.from_ndarray(films.picture(0, 64, 64), format="rgb24")
        out.mux(cover.encode(frame))
        out.mux(cover.encode(None))
        tone = av.AudioFrame.from_ndarray(np.zeros((1, 48000), np.int16), "s16", "mono")
        tone.rate = 48000
        out.mux(track.encode(tone))
        out.mux(track.encode(None))
    with pytest.raises(InputError, match="only sound"):
        films.make(tmp_path / "song.mp3", tmp_path / "out.mp4")


def test_a_folder_is_refused_before_the_film_is_made(tmp_path):
    films.write(tmp_path / "in.mp4", 5)
    (tmp_path / "out").mkdir()
    with pytest.raises(OutputError, match="folder"):
        films.make(tmp_path / "in.mp4", tmp_path / "out", name="webm")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mp4", "out"]


def test_bytes_that_are_wrong_in_the_midst(tmp_path):
    source = tmp_path / "in.mp4"
    films.write(source, 60, options={"g": "10"})
    data = bytearray(source.read_bytes())
    rubbish = np.random.default_rng(3).integers(0, 256, 900, np.uint8).tobytes()
    at = len(data) // 2
    data[at : at + 900] = rubbish
    source.write_bytes(bytes(data))
    made = films.make(source, tmp_path / "out.mp4")
    assert made.faults and made.frames > 40
    shown = films.read(tmp_path / "out.mp4")
    assert len(shown.frames) == made.frames
    assert shown.times == sorted(set(shown.times))


def test_timestamps_that_go_back_are_put_in_order(tmp_path):
    """Of recordings that were joined without care."""
    source = tmp_path / "in.ts"
    films.write(source, 12)
    source.write_bytes(source.read_bytes() * 2)
    made = films.make(source, tmp_path / "out.mov", part_frames=4)
    times = films.read(tmp_path / "out.mov").times
    assert made.frames == len(times) >= 20
    assert times == sorted(set(times))


@pytest.mark.parametrize("name", ["nothing.mp4", "text.mp4", "empty.mp4", "folder", "sound.mp4"])
def test_what_is_no_film(tmp_path, name):
    source = tmp_path / name
    if name == "text.mp4":
        source.write_text("not a film at all\n" * 100)
    elif name == "empty.mp4":
        source.write_bytes(b"")
    elif name == "folder":
        source.mkdir()
    elif name == "sound.mp4":
        with av.open(str(source), "w") as out:
            track = out.add_stream("aac", rate=48000)
            tone = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), "fltp", "mono")
            tone.rate = 48000
            out.mux(track.encode(tone))
            out.mux(track.encode(None))
    with pytest.raises(InputError) as caught:
        films.make(source, tmp_path / "out.mp4")
    message = str(caught.value)
    assert message.startswith(str(source) + ": ") and "\n" not in message
    assert not (tmp_path / "out.mp4").exists()


def test_an_mp4_without_its_index_is_refused(tmp_path):
    source = tmp_path / "in.mp4"
    films.write(source, 60)
    cut(source, 0.7)
    with pytest.raises(InputError, match="not a film that can be read"):
        films.make(source, tmp_path / "out.mp4")


@pytest.mark.parametrize("ending", ["gif", "webp", "apng"])
def test_an_animation_that_breaks_off(tmp_path, ending):
    films.write(tmp_path / "in.mp4", 12)
    films.make(tmp_path / "in.mp4", tmp_path / ("in." + ending), films.Everything())
    source = tmp_path / ("in." + ending)
    cut(source, 0.6)
    try:
        made = films.make(source, tmp_path / "out.mov")
    except InputError as error:
        assert "\n" not in str(error)
    else:
        assert made.faults and 0 < made.frames < 12
