"""Parts without loss -> an animation that can only be encoded as a whole."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Iterator

import av
import numpy as np

from bshm import disk
from bshm.video import durations, own
from bshm.video.animations import Animation
from bshm.video.colour import Converter
from bshm.video.encoder import Encoder, open_output
from bshm.video.parts import Parts

if TYPE_CHECKING:
    from bshm.video.film import Order
    from bshm.video.reader import Film

FOREVER = "0"  # how often it is shown
SHOWN_MS = 100  # milliseconds: the last frame, where the film does not say


def rewrite(order: Order, film: Film | Animation, parts: Parts) -> None:
    """Write the output. Its unit of time is a hundredth of a second in GIF, else a thousandth."""
    unit = Fraction(1, 100 if order.form.name == "gif" else 1000)
    with disk.written_whole(Path(order.output), synced=True) as file:
        option = "plays" if order.form.name == "apng" else "loop"
        container = open_output(file, order.form.container, {option: FOREVER})
        encoder = Encoder(container, order.codec, Converter(film.colour), unit, film.rate)
        palette = _Palettes() if order.form.name == "gif" else None
        for pixels, pts, duration in _frames(film.time_base, unit, parts):
            if palette:
                packets = encoder.encode_frame(palette.of(pixels, pts), pts, duration)
            else:
                packets = encoder.encode(pixels, pts, duration)
            container.mux(list(packets))
        container.mux(list(encoder.finish()))
        container.close()
        if order.form.name != "gif":
            durations.complete(file, order.form.name, pts + duration)
        own.mark(file, order.form.name)


def _frames(time_base: Fraction, unit: Fraction, parts: Parts) -> Iterator[tuple[Any, int, int]]:
    """Pixels, time and duration of each frame, in the animation's unit, from 0.

    A frame that would end when it begins is left out: an animation cannot show it.
    """
    times = [pts for part in parts.parts for pts in part.pts]
    last = parts.parts[-1].last_duration or round(Fraction(SHOWN_MS, 1000) / time_base)
    starts = [round((pts - times[0]) * time_base / unit) for pts in [*times, times[-1] + last]]
    number = 0
    for part in range(1, len(parts.parts) + 1):
        with parts.opened(part) as container:
            for frame in container.decode(video=0):
                start, end = starts[number : number + 2]
                number += 1
                if start == end and number < len(times):
                    continue
                layout = "rgba" if any(c.is_alpha for c in frame.format.components) else "rgb24"
                yield frame.to_ndarray(format=layout), start, max(1, end - start)


class _Palettes:
    """Frames in 256 colours of their own, one of them transparent.

    Ordered dither stands still where the picture does; error diffusion would crawl.
    """

    def __init__(self) -> None:
        self._graph: Any = None

    def of(self, pixels: np.ndarray, pts: int) -> Any:
        layout = "rgba" if pixels.shape[2] == 4 else "rgb24"
        frame = av.VideoFrame.from_ndarray(pixels, format=layout)
        if layout == "rgb24":  # palettes are made of four channels
            frame = frame.reformat(format="rgba")
        frame.pts, frame.time_base = pts, Fraction(1, 100)
        if self._graph is None:
            self._graph = self._make(frame)
        self._graph.push(frame)
        return self._graph.pull()

    @staticmethod
    def _make(frame: Any) -> Any:
        graph = av.filter.Graph()
        source = graph.add_buffer(
            width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base
        )
        split = graph.add("split")
        palette = graph.add("palettegen", "stats_mode=single:reserve_transparent=1")
        use = graph.add("paletteuse", "new=1:dither=bayer:bayer_scale=3")
        sink = graph.add("buffersink")
        source.link_to(split)
        split.link_to(palette, 0, 0)
        split.link_to(use, 1, 0)
        palette.link_to(use, 0, 1)
        use.link_to(sink)
        graph.configure()
        return graph
