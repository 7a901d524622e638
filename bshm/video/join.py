"""Parts -> the film: packets as they are, at the frames' own times, with sound and subtitles."""

from __future__ import annotations

import heapq
from fractions import Fraction
from math import lcm
from pathlib import Path
from typing import TYPE_CHECKING, Any, Iterator

import av

from bshm import disk
from bshm.video import own, tracks
from bshm.video.animations import Animation
from bshm.video.encoder import open_output
from bshm.video.formats import Format
from bshm.video.parts import Parts
from bshm.video.reader import whole
from bshm.video.rewrite import rewrite

if TYPE_CHECKING:
    from bshm.video.film import Order
    from bshm.video.reader import Film

LARGEST_SCALE = 10**7  # units a second: beyond, durations would not fit into 32 bits


def join(order: Order, film: Film | Animation, parts: Parts) -> tuple[list[str], list[str]]:
    """Write the output of all parts.

    Returns lines about sound that could not be read, and about what is not as in the source.

    The film is closed: of an hour, its index takes as much memory as all the rest of this.
    """
    if order.form.rewrites:
        rewrite(order, film, parts)
        return [], tracks.left_out(film.tracks, order.form)
    has_tracks = bool(film.tracks)
    film.close()
    output = disk.written_whole(Path(order.output), synced=True)
    with output as file:
        source = av.open(whole(order.source)) if has_tracks else None
        beside = tracks.of(source) if source else []
        options = _clock(order.form, film.time_base, beside)
        container = open_output(file, order.form.container, options)
        with parts.opened(1) as first:
            stream = container.add_stream_from_template(first.streams.video[0])
        stream.time_base = film.time_base
        if order.codec.pixels.startswith("yuva"):  # players look for it before they look for alpha
            stream.metadata["alpha_mode"] = "1"
        route = tracks.Tracks(beside, container, order.form)
        pictures = ((_seconds(packet), 0, packet) for packet in _pictures(film.time_base, parts))
        others = (
            ((_seconds(packet), 1, packet) for packet in tracks.packets(source)) if source else ()
        )
        # The time decides, then the kind: packets themselves cannot be compared.
        for _, kind, packet in heapq.merge(pictures, others, key=lambda item: item[:2]):
            if kind:
                route.mux(packet)
            else:
                packet.stream = stream
                container.mux(packet)
        route.finish()
        container.close()
        own.mark(file, order.form.name)
        if source:
            source.close()
    return route.faults, route.notes


def _clock(form: Format, time_base: Fraction, tracks: list[Any]) -> dict[str, str]:
    """Options by which MP4 and MOV note where each track begins, to the sample, not to 1/1000 s."""
    scale = time_base.denominator
    for track in tracks:
        if track.type != "audio":
            continue
        scale = lcm(scale, track.time_base.denominator)
    exact = form.container in ("mov", "mp4") and scale <= LARGEST_SCALE
    return {"movie_timescale": str(scale)} if exact else {}


def _pictures(time_base: Fraction, parts: Parts) -> Iterator[Any]:
    """The packets of all parts, each at its own time."""
    for number, part in enumerate(parts.parts, 1):
        durations = [after - pts for pts, after in zip(part.pts, part.pts[1:])]
        if number < len(parts.parts):
            durations.append(parts.parts[number].pts[0] - part.pts[-1])
        else:
            durations.append(part.last_duration)
        count = 0
        with parts.opened(number) as container:
            for packet in container.demux(container.streams.video[0]):
                if not packet.size:
                    continue
                if count < len(part.pts):
                    packet.pts = packet.dts = part.pts[count]
                    packet.duration = durations[count]
                    packet.time_base = time_base
                    yield packet
                count += 1
        if count != len(part.pts):
            raise parts.damaged()


def _seconds(packet: Any) -> float:
    time = packet.dts if packet.dts is not None else packet.pts
    return float((time or 0) * packet.time_base)
