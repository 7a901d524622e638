"""Makes a film in a process of its own, which tests kill or leave without disk: source, output."""

from __future__ import annotations

import resource
import sys
import time

from bshm.errors import BshmError
from tests.video import films


class Slow(films.Keyed):
    """Takes a while for a frame, as a network does."""

    def first_look(self, rgb, cells=0):
        time.sleep(0.01)
        return super().first_look(rgb, cells)


if __name__ == "__main__":
    source, output, *limit = sys.argv[1:]
    if limit:  # bytes of a file: what a full disk does, at any place that is wanted
        import signal

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit[0]), int(limit[0])))
    try:
        made = films.make(source, output, Slow(), part_frames=5)
    except BshmError as error:
        print(error)
        sys.exit(1)
    print(made.frames, made.resumed)
