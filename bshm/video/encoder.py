"""Pixels -> packets of one stream, and files of them."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, BinaryIO, Iterator

import av
import numpy as np

from bshm.model.cpus import cpu_limit
from bshm.video.colour import Converter
from bshm.video.formats import Codec

MAX_THREADS = 8  # of an encoder: they gain little beyond, and each holds frames
# Pixel formats that have a matrix and a range to be tagged.
YUV = "yuv"


class Encoder:
    """The picture of a film, encoded into a new stream of an output container.

    time_base: seconds, of the timestamps; rate: frames a second on average, or None
    """

    def __init__(
        self,
        container: Any,
        codec: Codec,
        converter: Converter,
        time_base: Fraction,
        rate: Fraction | None,
    ) -> None:
        self.codec = codec
        self._converter, self._time_base = converter, time_base
        self._durations: dict[int, int] = {}
        self.stream = container.add_stream(codec.name, rate=rate or 25, options=dict(codec.options))
        self.stream.pix_fmt = codec.pixels
        self.stream.time_base = time_base
        context = self.stream.codec_context
        context.time_base = time_base
        context.thread_count = min(cpu_limit(), MAX_THREADS)
        if codec.pixels.startswith(YUV):
            tags = converter.tags()
            context.colorspace, context.color_range = tags.matrix, 1
            context.color_primaries, context.color_trc = tags.primaries, tags.transfer
        self._begun = False

    def encode(self, pixels: np.ndarray, pts: int, duration: int) -> Iterator[Any]:
        """Packets that are ready after one more frame, of the size of the first."""
        frame = self._converter.from_pixels(pixels, self.codec.pixels)
        yield from self.encode_frame(frame, pts, duration)

    def encode_frame(self, frame: Any, pts: int, duration: int) -> Iterator[Any]:
        """The same for a frame that is in the codec's pixel format already."""
        if not self._begun:
            self.stream.width, self.stream.height = frame.width, frame.height
            self._begun = True
        frame.pts, frame.time_base = pts, self._time_base
        self._durations[pts] = duration
        yield from self._timed(self.stream.encode(frame))

    def finish(self) -> Iterator[Any]:
        """The packets that were still held back."""
        if self._begun:
            yield from self._timed(self.stream.encode(None))

    def _timed(self, packets: list[Any]) -> Iterator[Any]:
        for packet in packets:
            if packet.time_base == self._time_base:
                packet.duration = self._durations.pop(packet.pts, 0)
            yield packet


def open_output(file: BinaryIO | str, container: str, options: dict[str, str] | None = None) -> Any:
    """An output container; what it writes goes to ``file``, whose errors are raised as they are."""
    # Without it Matroska numbers its tracks by chance: the same film would be another file.
    same = {"fflags": "+bitexact"}
    return av.open(file, "w", format=container, options={**same, **(options or {})})
