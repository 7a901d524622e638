"""Real films, made by PyAV, and what is in a film. The "person" in them is red."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np

from bshm.matting import Look
from bshm.pipeline import Recipe
from bshm.video import film, formats

UNIT = Fraction(1, 600)  # seconds: QuickTime's own
EVEN, UNEVEN = (24,), (24, 31, 17, 200)  # units from frame to frame: 25 a second, and as it comes
CLICK = 4800  # samples from click to click of the sound


class Keyed:
    """Stands for a `Matting` where the containers are tested: red is a person."""

    class weights:
        name, path = "keyed", __file__

    def first_look(self, rgb):
        red = rgb[..., 0].astype(int) - rgb[..., 1:].max(axis=2)
        return Look(np.clip((red - 30) / 60, 0, 1).astype(np.float32), rgb)

    def glance(self, rgb):
        return rgb

    def closer_look(self, look, rgb, people=None):
        return look

    def enlarge(self, look, rgb):
        return look.alpha


class Everything(Keyed):
    """All of each frame is a person."""

    def first_look(self, rgb):
        return Look(np.ones(rgb.shape[:2], np.float32), rgb)


def order(source, output, only_alpha=False, name=None, scene=None, speed="best", **options):
    """What is wanted of a film; the network sees each frame unless told otherwise."""
    form = formats.choose(str(output), name)
    recipe = Recipe(only_alpha=only_alpha, scene=scene)
    options.setdefault("may_replace_foreign", bool(form.container))  # as where -o names a file
    return film.Order(str(source), str(output), form, recipe, speed, **options)


def make(source, output, matting=None, tell=lambda done, expected: None, **wanted):
    """Make a film with a stand-in for the network."""
    return film.make(order(source, output, **wanted), matting or Keyed(), tell)


def picture(number, width=128, height=96):
    """A red square on grey that moves with the number of the frame."""
    rgb = np.full((height, width, 3), 90, np.uint8)
    rgb[..., 1] = np.linspace(60, 120, width).astype(np.uint8)
    left = 8 + 2 * number % (width // 2)
    rgb[height // 4 : height * 3 // 4, left : left + 32] = (230, 20, 20)
    return rgb


def write(
    path, count=12, steps=EVEN, codec="libx264", sound=None, size=(128, 96), options=None,
    layout="mono", rate=48000, **how
):  # fmt: skip
    """A film of `picture`s; ``sound`` is a codec. Returns the times of its frames, in seconds."""
    with av.open(str(path), "w", **how) as out:
        stream = out.add_stream(codec, rate=25, options={"crf": "8", **(options or {})})
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.time_base = stream.codec_context.time_base = UNIT
        track = out.add_stream(sound, rate=rate, layout=layout) if sound else None
        time, times = 0, []
        for number in range(count):
            frame = av.VideoFrame.from_ndarray(picture(number, *size), format="rgb24")
            frame = frame.reformat(format="yuv420p", dst_colorspace=5, src_colorspace=5)
            frame.pts, frame.time_base = time, UNIT
            times.append(time * UNIT)
            time += steps[number % len(steps)]
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
        if track:
            wave = (np.random.default_rng(1).normal(size=int(time * UNIT * rate)) * 300).round()
            wave[100::CLICK] = 30000
            wave = np.repeat(wave.astype(np.int16)[None], track.layout.nb_channels, axis=1)
            tone = av.AudioFrame.from_ndarray(wave, "s16", layout)
            tone.rate, tone.pts, tone.time_base = rate, 0, Fraction(1, rate)
            out.mux(track.encode(tone))
            out.mux(track.encode(None))
    return times


class Content(NamedTuple):
    """All frames of a film, as arrays, and their times in seconds."""

    frames: list
    times: list
    stream: str


def read(path, layout="rgb24", decoder=None):
    """What any player would show; a decoder is named where FFmpeg's own drops alpha."""
    with av.open(str(path)) as film_:
        stream = film_.streams.video[0]
        frames, times = [], []
        context = av.CodecContext.create(decoder, "r") if decoder else stream.codec_context
        for packet in film_.demux(stream):
            for frame in context.decode(packet if packet.size else None):
                frames.append(frame.to_ndarray(format=layout))
                times.append(frame.pts * stream.time_base)
        return Content(frames, times, stream.codec_context.pix_fmt)


def sounds(path):
    """Packets of the first track, as (bytes, time), and all samples with the time of the first."""
    with av.open(str(path)) as film_:
        packets = [
            (bytes(packet), packet.pts * packet.time_base)
            for packet in film_.demux(audio=0)
            if packet.size
        ]
    with av.open(str(path)) as film_:
        frames = list(film_.decode(audio=0))
        start = frames[0].pts * frames[0].time_base
        wave = np.concatenate([f.to_ndarray().reshape(-1).astype(np.float64) for f in frames])
    return packets, wave, start


def turn(path: Path, matrix):
    """Write a display matrix (a, b, c, d) into an MP4's track header, as phones do."""
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 40  # past the header's other fields
    a, b, c, d = (value * 0x10000 for value in matrix)
    data[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 0x40000000)
    path.write_bytes(bytes(data))
