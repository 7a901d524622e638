"""A film's sound on its way into another container: the same packets, or encoded anew."""

from __future__ import annotations

from typing import Any

import av

from bshm.video.formats import Format


class Sound:
    """All sound tracks of a film, in an output container.

    Packets are copied as they are, with their own timestamps. Only what the container does not
    take is encoded anew; what it takes in no form is left out. ``notes`` says so, in lines.
    """

    def __init__(self, tracks: list[Any], out: Any, form: Format) -> None:
        self.notes: list[str] = []
        self._out = out
        self._routes: dict[int, _Route] = {}
        if tracks and not form.sound:
            self.notes.append("%s has no sound: it is left out" % form.name)
            return
        for track in tracks:
            codec = track.codec_context.codec.canonical_name
            if codec in out.supported_codecs:
                self._routes[track.index] = _Route(out.add_stream_from_template(track), False)
                continue
            self.notes.append("sound: %s has no %s: encoded anew" % (form.name, codec))
            rate = 48000 if form.sound == "libopus" else track.rate
            stream = out.add_stream(form.sound, rate=rate, layout=track.layout.name)
            self._routes[track.index] = _Route(stream, True)

    def mux(self, packet: Any) -> None:
        """One packet of the film's sound."""
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


def packets(container: Any) -> Any:
    """Packets of all sound tracks of an input container, as far as they can be read."""
    tracks = list(container.streams.audio)
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
