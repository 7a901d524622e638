"""``python -m bshm`` is the command ``bshm``."""

from __future__ import annotations

import atexit
import contextlib
import os
import sys

from bshm.cli import signals


def main() -> int:
    """Run the command line of this process; the exit code."""
    ended: list[int] = []
    atexit.register(_skip_teardown, ended)  # the first to be registered is the last to be called
    signals.leave_at_once()
    # Of NumPy's matrix products: ours are small, and starting its threads takes 25 ms.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from bshm.cli.main import main

    ended.append(main())
    return ended[0]


def _skip_teardown(ended: list[int]) -> None:
    """Leave a process that is done as it is: freeing module after module takes 50 ms."""
    if ended:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError, AttributeError):  # closed, or None
                stream.flush()
        os._exit(ended[0])


if __name__ == "__main__":
    sys.exit(main())
