"""A worker process: it loads the weights, then does one order after the other.

A process and not a thread: a decoder that crashes on a hostile file, or never ends, takes nothing
else with it, and the loop that answers probes shares no interpreter lock with the work.
"""

from __future__ import annotations

import logging
import os
import signal
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, NamedTuple

from bshm.errors import BshmError

if TYPE_CHECKING:
    from bshm.serve.order import Made


NICE = 5  # of 19: how far the workers stand back behind the process that speaks HTTP


class Outfit(NamedTuple):
    """What each worker works with; see `bshm.matting.Matting`."""

    weights: str
    device: str
    engine: str
    threads: int


def main(orders: Connection, outfit: Outfit) -> None:
    """Answer orders with what was made of them, or with a BshmError, until nobody asks any more.

    The first answer, to no order, is the name of the weights, once it has rehearsed.
    """
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):  # the service says when to stop: it hangs up
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    if hasattr(os, "nice"):  # not on Windows; who refuses and answers probes goes first
        os.nice(NICE)
    # What is wrong with a file the answer says; whoever sends many would fill the log.
    logging.getLogger("PIL").setLevel(logging.CRITICAL)
    try:
        from bshm.matting import AlphaMatting
        from bshm.serve.making import fulfil, rehearse

        matting = AlphaMatting(
            weights=outfit.weights,
            device=outfit.device,
            engine=outfit.engine,
            threads=outfit.threads,
        )
        rehearse(matting)
        orders.send(matting.weights.name)
    except BshmError as error:
        orders.send(error)
        return
    while True:
        try:
            order = orders.recv()
        except (EOFError, OSError):
            return
        try:
            answer: Made | BshmError = fulfil(order, matting)
        except BshmError as error:
            answer = error
        except MemoryError:
            answer = BshmError("not enough memory for this photo", code="out_of_memory")
        except Exception:
            logging.getLogger("bshm.serve").exception("a photo met an unexpected error")
            answer = BshmError("an unexpected error", code="unexpected")
        orders.send(answer)
