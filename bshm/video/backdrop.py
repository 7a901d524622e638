"""A film behind a film: its frames at their own times, again and again."""

from __future__ import annotations

from fractions import Fraction
from typing import Iterator

from bshm.codec import formats
from bshm.errors import InputError
from bshm.scene.background import Picture
from bshm.video import animations
from bshm.video.inlet import first_bytes, open_film

ONE_FRAME_S = Fraction(3600)  # seconds: how long a film of one frame lasts


def moves(path: str) -> bool:
    """Whether a file is a film or an animation, and no still picture. Raises InputError."""
    head = first_bytes(path, 4096)
    try:
        formats.recognise(head, path)
    except InputError as error:
        try:
            open_film(path).close()
        except InputError:
            raise error from None
        return True
    if not animations.is_animation(head):
        return False
    with animations.Animation(path, path) as animation:
        return animation.expected > 1


class Backdrop:
    """A film that begins again where it ends. For one thread; close it. Raises InputError."""

    def __init__(self, path: str) -> None:
        self.faults: list[str] = []  # what could not be read of it, in lines
        self._path = path
        self._rounds = 0  # how often it was shown to its end
        self._length = ONE_FRAME_S  # seconds; of a round that was not read to its end, no matter
        self._frames = self._timed()
        self._now = self._next = next(self._frames)

    def at(self, seconds: Fraction) -> Picture:
        """The frame that is shown then. Time does not go back."""
        while self._rounds * self._length + self._next[0] <= seconds:
            self._now = self._next
            following = next(self._frames, None)
            if following is None:
                self._rounds = max(self._rounds + 1, int(seconds // self._length))
                self._frames = self._timed()
                following = next(self._frames)
            self._next = following
        return self._now[1]

    def _timed(self) -> Iterator[tuple[Fraction, Picture]]:
        """Frames with their seconds since the first one."""
        self._film = open_film(self._path)
        begin: int | None = None
        start = step = Fraction(0)
        for frame in self._film.frames():
            begin = frame.pts if begin is None else begin
            before, start = start, (frame.pts - begin) * self._film.time_base
            step = frame.duration * self._film.time_base or start - before or step
            yield start, Picture(frame.rgb, frame.alpha)
        self._length = start + step or ONE_FRAME_S
        self.faults = self._film.faults
        self._film.close()

    def close(self) -> None:
        """Let go of the file."""
        self._film.close()
