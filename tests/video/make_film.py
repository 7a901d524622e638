"""Makes a film in a process of its own, which tests kill or leave without disk: source, output.

``--moments N`` kills it, as kill -9 does, at the N-th frame that is looked at or file that is
renamed; ``--bytes N`` lets no file grow beyond that, as a full disk does at any place wanted.
"""

from __future__ import annotations

import argparse
import os
import resource
import signal
import sys

from bshm.errors import BshmError
from tests.video import films


class Mortal(films.Keyed):
    """Ends this process at a moment."""

    def __init__(self, moments):
        self.left = moments
        sys.addaudithook(self.heard)

    def heard(self, event, _):
        if event == "os.rename":
            self.pass_moment()

    def pass_moment(self):
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def first_look(self, rgb):
        self.pass_moment()
        return super().first_look(rgb)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("source")
    parser.add_argument("output")
    parser.add_argument("--moments", type=int, default=0)
    parser.add_argument("--bytes", type=int, default=0)
    args = parser.parse_args()
    if args.bytes:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (args.bytes, args.bytes))
    try:
        made = films.make(args.source, args.output, Mortal(args.moments), part_frames=5)
    except BshmError as error:
        print(error)
        sys.exit(1)
    print(made.frames, made.resumed)
