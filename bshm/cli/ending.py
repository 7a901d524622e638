"""How a run over many photos ends, if it is not by its last photo."""

from __future__ import annotations

import contextlib
import os
from typing import Callable, Iterator, NoReturn

from bshm.cli import signals, terminal
from bshm.cli.report import Report
from bshm.errors import BshmError, lacks_memory


@contextlib.contextmanager
def told(report: Report, jobs: int | None) -> Iterator[Callable[[], None]]:
    """Say what ends the run inside, interrupted or in an error that is no photo's, and exit.

    jobs: how many photos there are; None where nobody knows
    Yields a function that raises KeyboardInterrupt once a signal has come.
    """
    with signals.terminable() as stop_if_asked:
        try:
            yield stop_if_asked
            report.bar.close()
        except KeyboardInterrupt:
            report.bar.close()
            terminal.say(_interrupted(report, jobs))
            _leave(signals.INTERRUPTED)
        except BshmError as error:
            report.bar.close()
            terminal.say(terminal.with_hint(error))
            _leave(terminal.FAILED)
        except (MemoryError, RuntimeError) as error:  # between the photos, such as for a thread
            if not lacks_memory(error):
                raise
            report.bar.close()
            terminal.say("there is not enough memory: %s" % (str(error) or "none is left"))
            _leave(terminal.FAILED)


def _interrupted(report: Report, jobs: int | None) -> str:
    left = None if jobs is None else jobs - sum(report.counts.values())
    words = "interrupted: %d done" % report.counts["done"]
    words += "" if left is None else ", %d left" % left
    return words + ("" if left == 0 else "; go on with --skip-existing")


def _leave(code: int) -> NoReturn:
    """Exit at once: a thread may still wait for a download or a cluster, and nothing else is under
    way."""
    os._exit(code)
