"""A film's frames, upright RGB, each with its timestamp; its sound and subtitles, in packets."""

from __future__ import annotations

import logging
import os
from fractions import Fraction
from typing import Any, BinaryIO, Iterator, NamedTuple

import av
import cv2
import numpy as np

from bshm.codec.decode import MAX_PIXELS
from bshm.errors import InputError, root_cause
from bshm.model.cpus import cpu_limit
from bshm.video import bright, colour, tracks

log = logging.getLogger("bshm")

# Seconds that a whole film may end before what its header says, at least and at most; between, this
# share of it, or its longest frame: some writers count one or three too many.
SLACK_S, SLACK_SHARE = (0.15, 1.0), 0.1
# Decoders that know alpha; FFmpeg's own ones drop it.
ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}


def whole(path: str) -> str:
    """A path that FFmpeg takes for one: what stands before a colon is a protocol to it."""
    return os.path.abspath(path)


class Frame(NamedTuple):
    """A frame, upright.

    rgb: uint8 ``[H, W, 3]``; alpha: uint8 ``[H, W]``, the film's own transparency, or None
    pts: when it is shown, in units of the film's `time_base`
    duration: how long, in the same units; 0 where the film does not say
    """

    rgb: np.ndarray
    alpha: np.ndarray | None
    pts: int
    duration: int = 0


class Film:
    """A film that is open to be read, once, from its beginning. For one thread; close it.

    width, height: pixels, upright
    time_base: seconds, the unit of timestamps; begin: the first frame's timestamp
    rate: frames a second on average, or None
    expected: how many frames it should have, as far as is known, else 0
    tracks: its sound and subtitles
    notes: lines about what is not as in the film
    colour: what its numbers mean
    faults: lines about what could not be read, so far

    Raises InputError where there is no film to be read.
    """

    def __init__(self, source: str | BinaryIO, name: str) -> None:
        self.name = name
        self.faults: list[str] = []
        self._broken, self._packets = 0, 0
        self._last_pts: int | None = None
        self._longest = 0  # units of time from one frame to the next, so far
        self._end = Fraction(0)  # seconds: the end of what was read
        try:
            self._container = av.open(whole(source) if isinstance(source, str) else source, "r")
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise InputError(
                "is not a film that can be read: %s" % root_cause(error), name, "not_a_film"
            ) from error
        moving = [one for one in self._container.streams.video if not _is_cover(one)]
        if not moving:
            self.close()
            raise InputError("has no picture, only sound", name, "not_a_film")
        self._video = moving[0]
        self.tracks: list[Any] = tracks.of(self._container)
        self.time_base = Fraction(self._video.time_base or 1)
        self.rate: Fraction | None = self._video.average_rate or self._video.guessed_rate
        self.notes: list[str] = []
        self._decoder = self._make_decoder()
        self._events = self._read()
        self._early: list[Any] = []  # packets that come before the first frame
        self._first = next(self._until_first(), None)
        if self._first is None:
            self.close()
            why = "; ".join(self.faults) or "it is empty"
            raise InputError("no frame of it can be read: %s" % why, name, "damaged")
        self.colour = colour.of_frame(self._first)
        if self.colour.transfer in bright.NAMES:
            kind = bright.NAMES[self.colour.transfer]
            self.notes.append("high dynamic range (%s): shown as BT.709 would" % kind)
        self._converter = colour.Converter(self.colour)
        self._size = self._square(self._first)
        if self._size[0] * self._size[1] > MAX_PIXELS:
            self.close()
            raise InputError("has frames of too many pixels", name, "frames_too_large")
        self._turn = _turn_of(self._first)
        self.width, self.height = self._size[::-1] if self._turn[0] else self._size
        clear = _has_alpha(self._first) and not self._converter.is_bright
        self._layout = "rgba" if clear else "rgb24"
        self.begin = int(self._first.pts or 0)
        self.expected = self._video.frames or self._by_duration()

    def _make_decoder(self) -> Any:
        decoder: Any = self._video.codec_context
        own = ALPHA_DECODERS.get(decoder.name)
        if own and _tag(self._video, "alpha_mode") == "1":
            data = decoder.extradata
            decoder = av.CodecContext.create(own, "r")
            decoder.extradata = data
        else:
            decoder.thread_type = "AUTO"
        decoder.thread_count = min(cpu_limit(), 16)
        return decoder

    def _square(self, frame: Any) -> tuple[int, int]:
        """Width and height with square pixels, as everybody expects them; none is lost."""
        width, height = frame.width, frame.height
        aspect = self._video.sample_aspect_ratio or 1
        if aspect == 1:
            return width, height
        if aspect > 1:
            width = round(width * aspect)
        else:
            height = round(height / aspect)
        self.notes.append(
            "its pixels are not square: drawn at %d×%d instead of %d×%d"
            % (width, height, frame.width, frame.height)
        )
        return width, height

    def _by_duration(self) -> int:
        seconds = self._container.duration
        return round(seconds / av.time_base * self.rate) if seconds and self.rate else 0

    def _until_first(self) -> Iterator[Any]:
        for kind, item in self._events:
            if kind == "frame":
                yield item
            else:
                self._early.append(item)

    def _read(self) -> Iterator[tuple[str, Any]]:
        """Decoded frames and packets of its tracks, in the file's order; what fails is noted."""
        packets = self._container.demux(self._video, *self.tracks)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                break
            except (av.error.FFmpegError, OSError) as error:
                log.debug("%s: reading stops", self.name, exc_info=True)
                self.faults.append("reading stops: %s" % root_cause(error))
                yield from (("frame", frame) for frame in self._decode(None))
                break
            if packet.size and packet.pts is not None:
                end = (packet.pts + (packet.duration or 0)) * packet.time_base
                self._end = max(self._end, end)
            if packet.stream is self._video:
                self._packets += bool(packet.size)
                yield from (("frame", frame) for frame in self._decode(packet))
            elif packet.size:
                yield "track", packet

    def _decode(self, packet: Any) -> list[Any]:
        try:
            return self._decoder.decode(packet if packet is not None and packet.size else None)
        except (av.error.FFmpegError, OSError):
            log.debug("%s: a packet is damaged", self.name, exc_info=True)
            self._broken += 1
            return []

    def events(self, skip: int = 0) -> Iterator[Frame | Any]:
        """Frames in the order of their time, and packets of its tracks among them, as they come.

        skip: so many frames are left out
        """
        yield from self._early
        yield self._frame(self._first) if not skip else self._note_time(self._first)
        self._first, count = None, 1
        for kind, item in self._events:
            if kind == "track":
                yield item
                continue
            if count < skip:
                self._note_time(item)
            else:
                yield self._frame(item)
            count += 1
        self._note_end(count)

    def frames(self, skip: int = 0) -> Iterator[Frame]:
        """The frames alone."""
        return (item for item in self.events(skip) if isinstance(item, Frame))

    def _note_time(self, frame: Any) -> int:
        """The timestamp of a frame: its own, unless it has none or does not come after the last."""
        last, step = self._last_pts, max(1, self._step())
        pts = frame.pts
        if pts is None:
            pts = 0 if last is None else last + step
        elif last is not None and pts <= last:
            pts = last + 1
        if last is not None:
            self._longest = max(self._longest, pts - last)
        self._last_pts = pts
        return pts

    def _step(self) -> int:
        """Units of time from frame to frame, on average."""
        return round(1 / (self.rate * self.time_base)) if self.rate else 1

    def _frame(self, frame: Any) -> Frame:
        if getattr(frame, "is_corrupt", False):
            self._broken += 1
        pixels = self._converter.to_rgb(frame, *self._size, self._layout)
        swap, across, down = self._turn
        if swap:
            pixels = cv2.transpose(pixels)
        if across or down:
            pixels = cv2.flip(pixels, -1 if across and down else int(not down))
        alpha = None
        if self._layout == "rgba":
            alpha, pixels = np.ascontiguousarray(pixels[..., 3]), pixels[..., :3]
        pts = self._note_time(frame)
        duration = int(getattr(frame, "duration", 0) or 0)
        return Frame(np.ascontiguousarray(pixels), alpha, pts, duration)

    def _note_end(self, count: int) -> None:
        """What is known at the end to have been lost."""
        if self._broken:
            self.faults.append("%d frames or packets are damaged" % self._broken)
        until = self._until()
        begin = Fraction(self._container.start_time or 0, av.time_base)
        own = _end_of(self._video) or until
        # A count alone says little: edit lists leave frames out, and AVI counts empty packets.
        known = self._video.frames
        if self._packets < known and self._end < own - (own - begin) / known:
            self.faults.append("it ends after %d of %d frames" % (count, known))
        elif self._end < until - self._slack(until - begin):
            ended = self._end - begin, until - begin
            self.faults.append("it ends after %.1f of %.1f s" % ended)

    def _until(self) -> Fraction:
        """Seconds: when that of it which is read should end, as far as is known, else 0.

        The whole lasts as long as the longest of its streams, be it another camera's.
        """
        read = [self._video, *self.tracks]
        ends = [end for end in map(_end_of, read) if end]
        others = [s for s in self._container.streams if s not in read]
        if ends or any(other.type in ("video", "data") for other in others):
            return max(ends, default=Fraction(0))
        whole = (self._container.start_time or 0) + (self._container.duration or 0)
        return Fraction(whole, av.time_base)

    def _slack(self, length: Fraction) -> Fraction:
        """Seconds that it may end before the header's time."""
        least, most = map(Fraction, SLACK_S)
        longest = self._longest * self.time_base
        return min(most, max(least, Fraction(SLACK_SHARE) * length, longest))

    def close(self) -> None:
        """Let go of the file; decoders are not closed by themselves."""
        self._container.close()

    def __enter__(self) -> Film:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _end_of(stream: Any) -> Fraction | None:
    """Seconds: when a stream ends by the header; None where that does not say."""
    if not stream.duration:
        return None
    return ((stream.start_time or 0) + stream.duration) * stream.time_base


def _is_cover(stream: Any) -> bool:
    """Whether it is one still picture that belongs to the sound."""
    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def _tag(stream: Any, name: str) -> str:
    """A tag of a stream; containers write their names in either case."""
    return {key.lower(): value for key, value in stream.metadata.items()}.get(name, "")


def _has_alpha(frame: Any) -> bool:
    return any(c.is_alpha for c in frame.format.components) or frame.format.name == "pal8"


def _turn_of(frame: Any) -> tuple[bool, bool, bool]:
    """How frames are to be turned upright: swap the sides, then mirror across, mirror down.

    The display matrix has 16.16 numbers a, b, u, c, d, v, …: a pixel at (x, y) is shown at
    (a x + c y, b x + d y). Cameras write multiples of a quarter turn, mirrored or not.
    """
    data = next((bytes(d) for d in frame.side_data if d.type.name == "DISPLAYMATRIX"), None)
    if data is None:
        return False, False, False
    a, b, _, c, d = np.frombuffer(data, np.int32)[:5].tolist()
    if a == d == 0 and b and c:
        return True, c < 0, b < 0
    return False, a < 0, d < 0
