"""Sound and subtitles from container to container: the same packets, or encoded anew."""

from __future__ import annotations

from typing import Any, Iterator

import av

from bshm.video.formats import Format


class Tracks:
    """All tracks of a film beside its picture, in an output container.

    Packets are copied as they are, with their own timestamps. Only sound that the container does
    not take is encoded anew; what it takes in no form is left out. ``notes`` says so, in lines.
    """

    def __init__(self, tracks: list[Any], out: Any, form: Format) -> None:
        self.notes: list[str] = []
        self._out = out
        self._routes: dict[int, _Route] = {}
        for track in tracks:
            name = track.codec_context.codec.canonical_name if track.codec_context else "data"
            if name in out.supported_codecs:
                self._routes[track.index] = _Route(out.add_stream_from_template(track), False)
            elif track.type == "audio":
                self.notes.append("sound: %s has no %s: encoded anew" % (form.name, name))
                rate = 48000 if form.sound == "libopus" else track.rate
                stream = out.add_stream(form.sound, rate=rate, layout=track.layout.name)
                self._routes[track.index] = _Route(stream, True)
            else:
                self.notes.append("subtitles: %s has no %s: left out" % (form.name, name))

    def mux(self, packet: Any) -> None:
        """One packet of the film's sound or subtitles."""
        route = self._routes.get(packet.stream.index)
        if route is None:
            return
        if not route.encodes:
            packet.stream = route.stream
            self._out.mux(packet)
            return
        for frame in packet.decode():
            self._out.mux(route.stream.encode(frame))

    def finish(self) -> None:
        """What encoders still hold."""
        for route in self._routes.values():
            if route.encodes:
                self._out.mux(route.stream.encode(None))


class _Route:
    def __init__(self, stream: Any, encodes: bool) -> None:
        self.stream, self.encodes = stream, encodes


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
