"""Sound and subtitles from container to container: the same packets, or encoded anew."""

from __future__ import annotations

import io
from typing import Any, Iterator, NamedTuple

import av

from bshm.video.formats import Format

SILENCE = 4800  # bytes: whole samples of up to eight channels, however wide
FRAME = 1024  # samples
# By the number of channels: all encoders take these.
LAYOUTS = dict(enumerate(["mono", "stereo", "3.0", "quad", "5.0", "5.1", "6.1", "7.1"], 1))


class Tracks:
    """All tracks of a film beside its picture, in an output container.

    Packets are copied as they are, with their own timestamps. Only sound that the container does
    not take is encoded anew; what it takes in no form is left out. ``notes`` says so, in lines.
    """

    def __init__(self, tracks: list[Any], out: Any, form: Format) -> None:
        self.notes: list[str] = []
        self._broken = 0
        self._out = out
        self._routes: dict[int, _Route] = {}
        for track in tracks:
            name = track.codec_context.codec.canonical_name if track.codec_context else "data"
            if name in out.supported_codecs and _takes(form.container, track, name):
                self._routes[track.index] = _Route(out.add_stream_from_template(track), False)
            elif track.type == "audio":
                taken = _taken(form.sound, track)
                became = "encoded anew" if taken else "left out"
                self.notes.append("sound: %s has no %s: %s" % (form.name, name, became))
                if taken:
                    stream = out.add_stream(form.sound, rate=taken.rate, layout=taken.layout)
                    self._routes[track.index] = _Route(stream, True)
            else:
                self.notes.append("subtitles: %s has no %s: left out" % (form.name, name))

    @property
    def faults(self) -> list[str]:
        """Lines about what of the sound could not be read, so far, to be encoded anew."""
        return ["damaged packets of its sound: %d" % self._broken] if self._broken else []

    def mux(self, packet: Any) -> None:
        """One packet of the film's sound or subtitles."""
        route = self._routes.get(packet.stream.index)
        if route is None:
            return
        if not route.encodes:
            packet.duration = packet.duration or route.step(packet.pts)
            packet.stream = route.stream
            self._out.mux(packet)
            return
        try:
            frames = packet.decode()
        except av.error.FFmpegError:
            self._broken += 1
            return
        for frame in frames:
            self._out.mux(route.stream.encode(frame))

    def finish(self) -> None:
        """What encoders still hold."""
        for route in self._routes.values():
            if route.encodes:
                self._out.mux(route.stream.encode(None))


class _Route:
    def __init__(self, stream: Any, encodes: bool) -> None:
        self.stream, self.encodes = stream, encodes
        self._last: int | None = None

    def step(self, pts: int | None) -> int:
        """How long a packet of sound lasts that does not say so: as long as the one before.

        Without it, MOV and MP4 end with the last but one.
        """
        step = pts - self._last if pts is not None and self._last is not None else 0
        self._last = pts
        return max(0, step) if self.stream.type == "audio" else 0


def _takes(container: str, track: Any, name: str) -> bool:
    """Whether a container takes a track's packets as they are: tried, in memory.

    Muxers list codecs that they then refuse: Opus in MOV, PCM of unnamed channels in MP4.
    """
    try:
        with av.open(io.BytesIO(), "w", format=container) as trial:
            stream = trial.add_stream_from_template(track)
            trial.start_encoding()
            if name.startswith("pcm_"):  # refused only at the end, and only if there is some
                packet = av.Packet(bytes(SILENCE))
                packet.stream, packet.time_base = stream, track.time_base
                packet.pts = packet.dts = 0
                trial.mux(packet)
    except av.error.FFmpegError:
        return False
    return True


class _Taken(NamedTuple):
    """Samples a second and channels that an encoder takes."""

    rate: int
    layout: str


def _taken(encoder: str, track: Any) -> _Taken | None:
    """What is nearest to a track's sound of all that an encoder takes: tried, with silence.

    None where it takes no such sound, or where nobody can decode the track.
    """
    if track.codec_context is None or track.format is None:
        return None
    rates = av.Codec(encoder, "w").audio_rates or [track.rate]
    rate = min((one for one in rates if one >= track.rate), default=max(rates))
    if encoder == "libopus":  # which counts in these whatever it is given
        rate = 48000
    for layout in (track.layout.name, LAYOUTS.get(track.channels, "")):
        trial: Any = av.CodecContext.create(encoder, "w")
        try:
            trial.sample_rate, trial.layout = rate, layout
            trial.format = trial.codec.audio_formats[0]
            trial.open()
            trial.encode(_silence(track))
        except (av.error.FFmpegError, ValueError):
            continue
        return _Taken(rate, layout)
    return None


def _silence(track: Any) -> Any:
    """A frame as a track's decoder gives them."""
    frame = av.AudioFrame(track.format.name, track.layout, FRAME)
    frame.sample_rate = track.rate
    for plane in frame.planes:
        plane.update(bytes(plane.buffer_size))
    return frame


def of(container: Any) -> list[Any]:
    """The tracks of an input container that go along with its picture."""
    return [*container.streams.audio, *container.streams.subtitles]


def left_out(tracks: list[Any], form: Format) -> list[str]:
    """Lines about what is lost in a format that has the picture alone."""
    kinds = {"audio": "sound", "subtitle": "subtitles"}
    lost = {kinds[track.type]: None for track in tracks}
    return ["%s has no %s: left out" % (form.name, " and no ".join(lost))] if lost else []


def packets(container: Any) -> Iterator[Any]:
    """Packets of all these tracks of an input container, as far as they can be read."""
    tracks = of(container)
    if not tracks:
        return
    reader = container.demux(*tracks)
    while True:
        try:
            packet = next(reader)
        except (StopIteration, av.error.FFmpegError):
            return
        if packet.size:
            yield packet
