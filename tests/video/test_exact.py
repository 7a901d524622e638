"""Every frame at its own time, upright, in its colours, with its sound: through real files."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from tests.video import films

MS = Fraction(1, 1000)
ANIMATIONS = ("gif", "webp", "apng")


@pytest.mark.parametrize(("ending", "tolerance"), [("mp4", 0), ("mov", 0), ("webm", MS / 2)])
@pytest.mark.parametrize("steps", [films.EVEN, films.UNEVEN])
def test_every_frame_keeps_its_time(tmp_path, ending, tolerance, steps):
    times = films.write(tmp_path / "in.mp4", 23, steps)
    made = films.make(tmp_path / "in.mp4", tmp_path / ("out." + ending), part_frames=7)
    assert made == (23, 0, [], [])
    shown = films.read(tmp_path / ("out." + ending)).times
    assert len(shown) == 23
    assert all(abs(a - b) <= tolerance for a, b in zip(shown, times))


def test_broadcast_rates_stay_exact(tmp_path):
    with av.open(str(tmp_path / "in.mp4"), "w") as out:
        stream = out.add_stream("libx264", rate=Fraction(30000, 1001))
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for number in range(10):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(films.picture(number, 64, 64))))
        out.mux(stream.encode(None))
    films.make(tmp_path / "in.mp4", tmp_path / "out.mov", part_frames=4)
    times = films.read(tmp_path / "out.mov").times
    assert times == [number * Fraction(1001, 30000) for number in range(10)]


def test_a_film_that_begins_late_still_does(tmp_path):
    """MPEG-TS starts at 1.4 s or anywhere: the sound goes by the same clock."""
    films.write(tmp_path / "in.ts", 12, sound="aac")
    films.make(tmp_path / "in.ts", tmp_path / "out.mp4", part_frames=5)
    offsets = []
    for name in ("in.ts", "out.mp4"):
        times = films.read(tmp_path / name).times
        offsets.append(films.sounds(tmp_path / name)[2] - times[0])
    assert offsets[0] == pytest.approx(offsets[1], abs=1e-4)


@pytest.mark.parametrize(
    ("matrix", "turned"),
    [
        ((0, 1, -1, 0), lambda rgb: np.rot90(rgb, -1)),  # a phone, upright
        ((0, -1, 1, 0), lambda rgb: np.rot90(rgb)),
        ((-1, 0, 0, -1), lambda rgb: rgb[::-1, ::-1]),
        ((-1, 0, 0, 1), lambda rgb: rgb[:, ::-1]),  # a selfie camera
        ((1, 0, 0, 1), lambda rgb: rgb),
    ],
)
def test_frames_come_upright(tmp_path, matrix, turned):
    films.write(tmp_path / "in.mp4", 3)
    films.turn(tmp_path / "in.mp4", matrix)
    films.make(tmp_path / "in.mp4", tmp_path / "out.mov", films.Everything())
    first = films.read(tmp_path / "out.mov").frames[0]
    expected = turned(films.picture(0))
    assert first.shape == expected.shape
    assert np.abs(first.astype(int) - expected).mean() < 4
    with av.open(str(tmp_path / "out.mov")) as out:
        frame = next(out.decode(video=0))
        assert frame.rotation == 0


@pytest.mark.parametrize(
    ("source", "codec", "output"),
    [
        ("in.mp4", "aac", "out.mp4"),
        ("in.mov", "pcm_s16le", "out.mov"),
        ("in.mkv", "libopus", "out.webm"),
    ],
)
def test_sound_is_copied_to_the_sample(tmp_path, source, codec, output):
    films.write(tmp_path / source, 30, films.UNEVEN, sound=codec)
    made = films.make(tmp_path / source, tmp_path / output, part_frames=8)
    assert made.notes == []
    before, wave, start = films.sounds(tmp_path / source)
    after, same_wave, same_start = films.sounds(tmp_path / output)
    assert [data for data, _ in after] == [data for data, _ in before]
    assert np.array_equal(wave, same_wave)
    first = films.read(tmp_path / source).times[0], films.read(tmp_path / output).times[0]
    assert same_start - first[1] == start - first[0]


@pytest.mark.parametrize(
    ("source", "codec", "output"),
    [
        ("in.mkv", "libopus", "out.mov"),
        ("in.mkv", "flac", "out.mov"),
        ("in.mkv", "pcm_s24le", "out.mp4"),
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
def test_sound_that_the_format_only_says_it_takes_is_encoded_anew(
    tmp_path, source, codec, output, streamed
):
    films.write(tmp_path / source, 30, sound=codec, layout="stereo")
    if streamed:
        os.mkfifo(tmp_path / output)
        made = _through_pipe(tmp_path / source, tmp_path / output, tmp_path / ("file" + output))
    else:
        made = films.make(tmp_path / source, tmp_path / output)
    name = codec.replace("lib", "")
    assert made.notes == ["sound: %s has no %s: encoded anew" % (output[4:], name)]
    written = tmp_path / (("file" if streamed else "") + output)
    assert len(films.read(written).frames) == 30
    _, wave, _ = films.sounds(written)
    assert len(wave) == pytest.approx(2 * 30 / 25 * 48000, abs=6000)  # of both channels


def _through_pipe(source, pipe, copy):
    with ThreadPoolExecutor(1) as pool:
        copying = pool.submit(lambda: copy.write_bytes(pipe.read_bytes()))
        made = films.make(source, pipe)
        assert copying.result(60)
    return made


def test_the_last_packet_of_sound_is_kept_where_its_length_is_not_said(tmp_path):
    films.write(tmp_path / "in.mkv", 30, sound="alac")
    films.make(tmp_path / "in.mkv", tmp_path / "out.mov")
    before, wave, _ = films.sounds(tmp_path / "in.mkv")
    after, same_wave, _ = films.sounds(tmp_path / "out.mov")
    assert [data for data, _ in after] == [data for data, _ in before]
    assert np.array_equal(wave, same_wave)


def test_sound_that_the_format_does_not_take_is_encoded_anew_in_sync(tmp_path):
    films.write(tmp_path / "in.mp4", 50, sound="aac")
    made = films.make(tmp_path / "in.mp4", tmp_path / "out.webm")
    assert made.notes == ["sound: webm has no aac: encoded anew"]
    _, before, _ = films.sounds(tmp_path / "in.mp4")
    _, after, start = films.sounds(tmp_path / "out.webm")
    length = min(len(before), len(after))
    before, after = before[:length] - before.mean(), after[:length] - after.mean()
    spectrum = np.fft.rfft(after, 2 * length) * np.conj(np.fft.rfft(before, 2 * length))
    assert int(np.argmax(np.fft.irfft(spectrum))) == 0
    assert start == films.read(tmp_path / "out.webm").times[0] == 0


@pytest.mark.parametrize(
    ("source", "codec", "layout", "rate", "output", "became"),
    [
        ("in.mkv", "ac3", "5.1(side)", 48000, "out.webm", ("5.1", 48000)),
        ("in.mov", "pcm_s16le", "2.1", 48000, "out.webm", ("3.0", 48000)),
        ("in.mkv", "flac", "stereo", 192000, "out.mov", ("stereo", 96000)),
        ("in.mkv", "flac", "5.1", 37800, "out.mov", ("5.1", 44100)),
    ],
)
def test_sound_that_the_encoder_does_not_take_becomes_the_nearest_that_it_takes(
    tmp_path, source, codec, layout, rate, output, became
):
    films.write(tmp_path / source, 30, sound=codec, layout=layout, rate=rate)
    made = films.make(tmp_path / source, tmp_path / output)
    assert [note.rsplit(": ")[-1] for note in made.notes] == ["encoded anew"]
    with av.open(str(tmp_path / output)) as film:
        track = film.streams.audio[0]
        assert (track.layout.name, track.rate) == became
        count = sum(frame.samples for frame in film.decode(track))
    assert count == pytest.approx(30 / 25 * became[1], abs=4000)


def test_sound_of_more_channels_than_the_encoder_takes_is_left_out(tmp_path):
    films.write(tmp_path / "in.mkv", 5, sound="pcm_s16le", layout="hexadecagonal")
    made = films.make(tmp_path / "in.mkv", tmp_path / "out.webm")
    assert made.notes == ["sound: webm has no pcm_s16le: left out"]
    assert len(films.read(tmp_path / "out.webm").frames) == 5


@pytest.mark.parametrize("output", ["out.mov", "out.webm"])
def test_sound_that_nobody_can_decode_is_left_out(tmp_path, output):
    """As some phones have it beside what all can."""
    films.write(tmp_path / "in.mov", 5, sound="pcm_s16le")
    data = (tmp_path / "in.mov").read_bytes()
    assert data.count(b"sowt") == 1
    (tmp_path / "in.mov").write_bytes(data.replace(b"sowt", b"zzzz"))
    made = films.make(tmp_path / "in.mov", tmp_path / output)
    assert [note.rsplit(": ")[-1] for note in made.notes] == ["left out"]
    assert len(films.read(tmp_path / output).frames) == 5


def with_subtitles(path, container, ending, text):
    """A film with subtitles, made of one without and of a text."""
    films.write(path.with_name("bare.mkv"), 30, codec="libvpx-vp9", sound="libopus")
    path.with_name("text." + ending).write_text(text)
    bare = av.open(str(path.with_name("bare.mkv")))
    words = av.open(str(path.with_name("text." + ending)))
    with av.open(str(path), "w", format=container) as out:
        inputs = [bare.streams.video[0], bare.streams.audio[0], words.streams.subtitles[0]]
        streams = {id(stream): out.add_stream_from_template(stream) for stream in inputs}
        for packet in [*words.demux(inputs[2]), *bare.demux(inputs[:2])]:
            if packet.size:
                packet.stream = streams[id(packet.stream)]
                out.mux(packet)
    bare.close()
    words.close()


def subtitles(path):
    """Text and time of the first track."""
    with av.open(str(path)) as film:
        packets = [packet for packet in film.demux(subtitles=0) if packet.size]
        return [(bytes(packet), float(packet.pts * packet.time_base)) for packet in packets]


def test_subtitles_are_copied_where_the_format_takes_them(tmp_path):
    text = "WEBVTT\n\n00:00.200 --> 00:00.700\nGood morning\n\n00:00.800 --> 00:01.100\nBye\n"
    with_subtitles(tmp_path / "in.webm", "webm", "vtt", text)
    made = films.make(tmp_path / "in.webm", tmp_path / "out.webm", part_frames=8)
    assert made.notes == []
    assert subtitles(tmp_path / "out.webm") == subtitles(tmp_path / "in.webm")
    assert [time for _, time in subtitles(tmp_path / "out.webm")] == [0.2, 0.8]
    assert films.sounds(tmp_path / "out.webm")[0] == films.sounds(tmp_path / "in.webm")[0]
    made = films.make(tmp_path / "in.webm", tmp_path / "frames/", name="png")
    assert made.notes == ["png has no sound and no subtitles: left out"]


def test_subtitles_that_the_format_does_not_take_are_named(tmp_path):
    text = "1\n00:00:00,200 --> 00:00:00,700\nGood morning\n"
    with_subtitles(tmp_path / "in.mkv", "matroska", "srt", text)
    made = films.make(tmp_path / "in.mkv", tmp_path / "out.webm")
    assert made.notes == ["subtitles: webm has no subrip: left out"]
    assert len(films.read(tmp_path / "out.webm").frames) == 30


BARS = np.array(
    [
        *((235, 235, 235), (200, 190, 20), (20, 200, 200), (20, 190, 20)),
        *((190, 20, 190), (200, 20, 20), (20, 20, 190), (16, 16, 16)),
    ]
)
WEIGHTS = {1: (0.2126, 0.0722), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}  # of R and B in Y


def to_yuv(rgb, matrix, full, bits):
    """The definition: ITU-R BT.709, 601, 2020."""
    kr, kb = WEIGHTS[matrix]
    r, g, b = (np.asarray(rgb, float) / 255).T
    y = kr * r + (1 - kr - kb) * g + kb * b
    cb, cr = (b - y) / 2 / (1 - kb), (r - y) / 2 / (1 - kr)
    scale = 2 ** (bits - 8)
    if full:
        top = 2**bits - 1
        return np.stack([y * top, 128 * scale + cb * top, 128 * scale + cr * top], 1)
    return scale * np.stack([16 + 219 * y, 128 + 224 * cb, 128 + 224 * cr], 1)


def to_rgb(yuv, matrix, bits):
    """Back, from limited range."""
    kr, kb = WEIGHTS[matrix]
    y, cb, cr = (np.asarray(yuv, float) / 2 ** (bits - 8)).T
    y, cb, cr = (y - 16) / 219, (cb - 128) / 224, (cr - 128) / 224
    r, b = y + 2 * (1 - kr) * cr, y + 2 * (1 - kb) * cb
    return 255 * np.stack([r, (y - kr * r - kb * b) / (1 - kr - kb), b], 1)


def bars_film(path, matrix, full, bits, tagged, size, transfer=None, bars=BARS):
    """Colour bars, as the definition has their numbers."""
    width, height = size
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264" if bits == 8 else "libx265", rate=25)
        stream.options = {"crf": "4", "x265-params": "log-level=none:lossless=1"}
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p" if bits == 8 else "yuv420p10le"
        context = stream.codec_context
        if full:
            context.color_range = 2
        if tagged:
            context.colorspace = context.color_primaries = context.color_trc = matrix
        if transfer:
            context.color_trc = transfer
        values = np.round(to_yuv(bars, matrix, full, bits)).clip(0, 2**bits - 1)
        frame = av.VideoFrame(width, height, stream.pix_fmt)
        if tagged:
            frame.colorspace = matrix
        frame.color_range = 2 if full else 1
        for number, plane in enumerate(frame.planes):
            row = np.repeat(values[:, number], plane.width // len(bars))
            row = row.astype(np.uint8 if bits == 8 else "<u2").view(np.uint8)
            rows = np.zeros((plane.height, plane.line_size), np.uint8)
            rows[:, : len(row)] = row
            plane.update(rows.tobytes())
        for number in range(3):
            frame.pts = number
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


@pytest.mark.parametrize("ending", ["mov", "webm"])
@pytest.mark.parametrize("bits", [8, 10])
@pytest.mark.parametrize(
    ("matrix", "full", "tagged", "size"),
    [
        (1, False, True, (256, 128)),
        (6, False, True, (1280, 720)),
        (9, False, True, (256, 128)),
        (1, True, True, (256, 128)),
        (6, True, True, (256, 128)),
        (6, False, False, (640, 480)),  # without tags: by the size
        (1, False, False, (1280, 720)),
    ],
)
def test_colours_are_the_film_s(tmp_path, ending, bits, matrix, full, tagged, size):
    bars_film(tmp_path / "in.mp4", matrix, full, bits, tagged, size)
    output = tmp_path / ("out." + ending)
    films.make(tmp_path / "in.mp4", output, films.Everything())
    with av.open(str(output)) as out:
        frame = next(out.decode(video=0))
        assert (int(frame.colorspace), int(frame.color_range)) == (matrix, 1)
        deep = 10 if "10" in frame.format.name else 8
        middle = []
        for plane in frame.planes[:3]:
            kind = np.dtype("<u2" if deep == 10 else np.uint8)
            rows = np.frombuffer(plane, kind).reshape(plane.height, -1)
            step = plane.width // len(BARS)
            middle.append(rows[plane.height // 2, step // 2 : plane.width : step])
    shown = to_rgb(np.stack(middle, 1), matrix, deep)
    assert np.abs(shown - BARS).max() <= 6, np.round(shown - BARS)
    assert np.abs(shown - BARS).mean() <= 2


def coded_grey(transfer, nits):
    """The coded value of a grey of so many cd/m², by the definitions of BT.2100."""
    if transfer == 16:
        y = (nits / 10000) ** 0.1593017578125
        return ((0.8359375 + 18.8515625 * y) / (1 + 18.6875 * y)) ** 78.84375
    scene = (nits / 1000) ** (1 / 1.2)
    if scene <= 1 / 12:
        return (3 * scene) ** 0.5
    return 0.17883277 * np.log(12 * scene - 0.28466892) + 0.55991073


@pytest.mark.parametrize(("transfer", "kind"), [(16, "PQ"), (18, "HLG")])
def test_high_dynamic_range_becomes_bt709(tmp_path, transfer, kind):
    nits = np.array([1000, 203, 101.5, 50, 20, 5, 1, 0])
    greys = np.repeat([[255 * coded_grey(transfer, n)] for n in nits], 3, axis=1)
    bars_film(tmp_path / "in.mp4", 9, False, 10, True, (256, 128), transfer, greys)
    made = films.make(tmp_path / "in.mp4", tmp_path / "out.mov", films.Everything())
    assert made.notes == ["high dynamic range (%s): shown as BT.709 would" % kind]
    with av.open(str(tmp_path / "out.mov")) as out:
        frame = next(out.decode(video=0))
        tags = frame.colorspace, frame.color_primaries, frame.color_trc, frame.color_range
        assert [int(tag) for tag in tags] == [1, 1, 1, 1]
    shown = films.read(tmp_path / "out.mov").frames[0][64, 16::32].astype(float)
    assert np.ptp(shown, axis=1).max() <= 2  # grey stays grey
    grey = shown.mean(axis=1)
    assert grey[0] >= 253 and grey[7] <= 1
    # Up to half of white as it was on its screen; white below the brightest.
    expected = 255 * (nits[2:7] / 203) ** (1 / 2.4)
    assert np.abs(grey[2:7] - expected).max() <= 3
    assert expected[0] + 20 < grey[1] < 235


def test_wide_colours_keep_their_hue(tmp_path):
    bars_film(tmp_path / "in.mp4", 9, False, 10, True, (256, 128), 18)
    films.make(tmp_path / "in.mp4", tmp_path / "out.mov", films.Everything())
    shown = films.read(tmp_path / "out.mov").frames[0][64, 16::32].astype(int)
    for found, bar in zip(shown[1:7], BARS[1:7]):
        assert ((found > found.mean()) == (bar > bar.mean())).all()
        assert np.ptp(found) > np.ptp(bar) - 30


def mattes(output: Path):
    """Alpha of all frames, as whoever reads the format finds it, and the RGB beside it."""
    if output.suffix == ".webm":
        rgba = films.read(output, "rgba", "libvpx-vp9").frames
    elif output.suffix == ".mov":
        rgba = films.read(output, "rgba").frames
    elif output.suffix == ".mp4":
        stacked = films.read(output).frames
        half = len(stacked[0]) // 2
        rgba = [np.dstack([frame[:half], frame[half:, :, 1]]) for frame in stacked]
    elif output.is_dir():
        rgba = [np.asarray(Image.open(path)) for path in sorted(output.glob("*.png"))]
    else:
        image = Image.open(output)
        rgba = []
        for number in range(image.n_frames):
            image.seek(number)
            rgba.append(np.asarray(image.convert("RGBA")))
    return rgba


@pytest.mark.parametrize(
    "name", ["o.webm", "o.mov", "o.mp4", "frames/", "o.gif", "o.webp", "o.apng"]
)
def test_every_format_carries_the_matte_and_the_colours(tmp_path, name):
    films.write(tmp_path / "in.mp4", 9)
    output = tmp_path / name
    films.make(tmp_path / "in.mp4", str(output) + "/" * name.endswith("/"), part_frames=4)
    found = mattes(output)
    assert len(found) == 9
    for number, rgba in enumerate(found):
        expected = films.picture(number)
        person = (expected[..., 0] > 200) * 255
        assert np.abs(rgba[..., 3].astype(int) - person).mean() < 4
        inner = np.zeros_like(person, bool)
        left = int(np.flatnonzero(person[48])[0])
        inner[30:66, left + 4 : left + 28] = True
        assert (rgba[..., 3][inner] >= 240).all()
        assert np.abs(rgba[inner][:, :3].astype(int) - expected[inner]).mean() < 5
        assert rgba[:16, :, 3].max() <= 4


def test_no_dark_rim_where_chroma_is_shared(tmp_path):
    """Below alpha 0 the person's colours go on: black there would bleed into the edge."""
    films.write(tmp_path / "in.mp4", 3)
    films.make(tmp_path / "in.mp4", tmp_path / "o.mp4")
    shown = films.read(tmp_path / "o.mp4").frames[1][:96].astype(int)
    person = films.picture(1)[..., 0] > 200
    rim = np.zeros_like(person)
    rim[26:70, 11:41] = True
    assert np.abs(shown[rim] - (230, 20, 20)).mean() < 8
    assert np.abs(shown[~person & ~rim][:, 0] - 230).mean() < 40


@pytest.mark.parametrize(
    "name", ["o.webm", "o.mov", "o.mp4", "frames/", "o.gif", "o.webp", "o.apng"]
)
def test_a_matte_alone_is_grey(tmp_path, name):
    films.write(tmp_path / "in.mp4", 5)
    output = tmp_path / name
    films.make(
        tmp_path / "in.mp4", str(output) + "/" * name.endswith("/"), only_alpha=True, part_frames=2
    )
    if output.is_dir():
        frames = [np.asarray(Image.open(p).convert("RGB")) for p in sorted(output.glob("*.png"))]
    elif output.suffix[1:] in ANIMATIONS:
        frames = [rgba[..., :3] for rgba in mattes(output)]
    else:
        frames = films.read(output).frames
    assert len(frames) == 5
    for number, frame in enumerate(frames):
        person = (films.picture(number)[..., 0] > 200) * 255
        assert np.abs(frame.astype(int) - person[..., None]).mean() < 5
        assert frame.max() >= 250 and frame.min() <= 5


@pytest.mark.parametrize("ending", ANIMATIONS)
def test_animations_keep_their_durations_and_transparency(tmp_path, ending):
    durations = [40, 250, 90, 1000]
    pictures = []
    for number in range(4):
        rgba = np.dstack([films.picture(number * 4), np.full((96, 128), 255, np.uint8)])
        rgba[:, 100:, 3] = 0  # transparent already, also where a person would be
        pictures.append(Image.fromarray(rgba))
    source = tmp_path / ("in." + ending.replace("apng", "png"))
    pictures[0].save(
        source,
        save_all=True,
        append_images=pictures[1:],
        duration=durations,
        disposal=1 if ending == "apng" else 2,
        **({"lossless": True} if ending == "webp" else {}),
    )
    output = tmp_path / ("out." + ending)
    assert films.make(source, output, films.Everything()).frames == 4
    with Image.open(output) as image:
        assert image.n_frames == 4
        shown = []
        for number in range(4):
            image.seek(number)
            image.load()
            shown.append(round(image.info["duration"]))
            alpha = np.asarray(image.convert("RGBA"))[..., 3]
            assert alpha[:, 102:].max() == 0 and alpha[:, :98].min() == 255
    assert shown == durations


def test_frames_without_a_time_of_their_own_are_left_out_of_a_gif(tmp_path):
    """A GIF counts in hundredths of a second; slow motion has more frames."""
    times = films.write(tmp_path / "in.mp4", 24, (4,))  # 150 a second
    films.make(tmp_path / "in.mp4", tmp_path / "out.gif", films.Everything())
    with Image.open(tmp_path / "out.gif") as image:
        durations = []
        for number in range(image.n_frames):
            image.seek(number)
            durations.append(image.info["duration"])
    assert len(durations) == len({round(time * 100) for time in times})
    assert set(durations[:-1]) == {10} and len(durations) == 16


@pytest.mark.parametrize("rate", [30, 60, Fraction(24000, 1001)])
def test_durations_of_no_whole_milliseconds_add_up(tmp_path, rate):
    """Only PNG has them; Pillow writes each as the nearest fraction of two numbers of 16 bits."""
    pictures = [Image.fromarray(films.picture(number)) for number in range(31)]
    source, output = tmp_path / "in.png", tmp_path / "out.mov"
    each = float(1000 / Fraction(rate))  # milliseconds
    pictures[0].save(source, save_all=True, append_images=pictures[1:], duration=each)
    films.make(source, output)
    times = films.read(output).times
    assert np.abs(np.array(times) - np.arange(31) / float(rate)).max() < 1e-5


def test_films_with_alpha_keep_it(tmp_path):
    """VP9's alpha is in packets that only libvpx reads."""
    films.write(tmp_path / "in.mp4", 6)
    films.make(tmp_path / "in.mp4", tmp_path / "one.webm")
    films.make(tmp_path / "one.webm", tmp_path / "two.mov", films.Everything())
    for number, rgba in enumerate(mattes(tmp_path / "two.mov")):
        person = (films.picture(number)[..., 0] > 200) * 255
        assert np.abs(rgba[..., 3].astype(int) - person).mean() < 5


def test_timestamps_of_a_sequence_are_beside_it(tmp_path):
    times = films.write(tmp_path / "in.mp4", 7, films.UNEVEN)
    films.make(tmp_path / "in.mp4", tmp_path / "f" / "x-%03d.png", part_frames=3)
    assert sorted(p.name for p in (tmp_path / "f").iterdir()) == [
        "timestamps.txt",
        *("x-%03d.png" % number for number in range(1, 8)),
    ]
    first, *lines = (tmp_path / "f" / "timestamps.txt").read_text().splitlines()
    assert first == "# timestamp format v2"
    assert [float(line) for line in lines] == pytest.approx(
        [float(t * 1000) for t in times], abs=1e-3
    )


@pytest.mark.parametrize("ending", ["webm", "mov", "mp4"])
def test_odd_sides(tmp_path, ending):
    films.write(tmp_path / "in.mkv", 4, codec="ffv1", size=(101, 75))
    films.make(tmp_path / "in.mkv", tmp_path / ("out." + ending))
    height, width = films.read(tmp_path / ("out." + ending)).frames[0].shape[:2]
    assert (height, width) == {"mp4": (150, 102)}.get(ending, (75, 101))


@pytest.mark.parametrize(
    ("aspect", "size"), [(Fraction(16, 11), (186, 96)), (Fraction(8, 9), (128, 108))]
)
def test_pixels_become_square(tmp_path, aspect, size):
    """DVDs and tapes; not every format can say so, and people are to be matted as they are."""
    with av.open(str(tmp_path / "in.mp4"), "w") as out:
        stream = out.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        stream.codec_context.sample_aspect_ratio = aspect
        for number in range(3):
            frame = av.VideoFrame.from_ndarray(films.picture(number), format="rgb24")
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    for name in ("out.mov", "out.webm"):
        made = films.make(tmp_path / "in.mp4", tmp_path / name)
        assert films.read(tmp_path / name).frames[0].shape[1::-1] == size
        assert made.notes == ["its pixels are not square: drawn at %d×%d instead of 128×96" % size]
