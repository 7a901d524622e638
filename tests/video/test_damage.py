"""Damaged films give what can be read, and say so; what is no film is refused in a line."""

from __future__ import annotations

import struct
from fractions import Fraction

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


def test_a_film_without_its_last_frames(tmp_path):
    source = tmp_path / "in.mp4"
    films.write(source, 200, container_options={"movflags": "faststart"})
    with av.open(str(source)) as film:
        places = sorted(packet.pos for packet in film.demux(video=0) if packet.size)
    source.write_bytes(source.read_bytes()[: places[-6]])
    made = films.make(source, tmp_path / "out.mp4")
    assert made.faults[-1] == "it ends after %d of 200 frames" % made.frames


@pytest.mark.parametrize("begin", [0, 0.8])
def test_a_film_that_was_trimmed_without_being_encoded_anew(tmp_path, begin):
    """As phones do: an edit list leaves out frames that are still in the file."""
    source = tmp_path / "in.mp4"
    films.write(source, 50, options={"bf": "0", "g": "10"}, sound="aac")
    data = bytearray(source.read_bytes())
    with av.open(str(source)) as film:
        unit = film.streams.video[0].time_base
    at = data.index(b"elst") + 4 + 8  # of the picture: past version, flags and count
    assert struct.unpack_from(">Ii", data, at) == (2000, 0)  # milliseconds, units of the track
    struct.pack_into(">Ii", data, at, 1000, round(begin / unit))
    at = data.index(b"elst", at) + 4 + 8
    struct.pack_into(">I", data, at, 1000)
    source.write_bytes(bytes(data))
    made = films.make(source, tmp_path / "out.mp4")
    assert made.faults == [] and 25 <= made.frames < 35


def test_a_film_of_variable_rate_in_avi(tmp_path):
    """Gaps are filled with empty packets, which its header counts."""
    numbers = [0, 1, 2, 6, 7, 8, 9, 14, 15, 16]
    with av.open(str(tmp_path / "in.avi"), "w") as out:
        stream = out.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuvj420p"
        for number in numbers:
            frame = av.VideoFrame.from_ndarray(films.picture(number, 64, 64), format="rgb24")
            frame = frame.reformat(format="yuvj420p")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    made = films.make(tmp_path / "in.avi", tmp_path / "out.mp4")
    assert (made.frames, made.faults) == (len(numbers), [])


@pytest.mark.parametrize("ending", ["mp4", "mkv", "ts"])
def test_a_longer_second_picture_is_not_missed(tmp_path, ending):
    """Of another camera: only the first one is read."""
    with av.open(str(tmp_path / ("in." + ending)), "w") as out:
        streams = [out.add_stream("libx264", rate=25) for _ in range(2)]
        for stream in streams:
            stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for stream, count in zip(streams, (12, 60)):
            for number in range(count):
                frame = av.VideoFrame.from_ndarray(films.picture(number, 64, 64), format="rgb24")
                frame.pts, frame.time_base = number, Fraction(1, 25)
                out.mux(stream.encode(frame))
            out.mux(stream.encode(None))
    made = films.make(tmp_path / ("in." + ending), tmp_path / "out.mp4")
    assert (made.frames, made.faults) == (12, [])


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
