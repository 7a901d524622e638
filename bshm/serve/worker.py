"""A worker process: it loads the weights, then does one order after the other.

A process and not a thread: a decoder that crashes on a hostile file, or never ends, takes nothing
else with it, and the loop that answers probes shares no interpreter lock with the work.
"""

from __future__ import annotations

import contextlib
import logging
import os
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, NamedTuple

from bshm.errors import BshmError
from bshm.model import engine as engines
from bshm.serve.processes import leave_signals_to_service
from bshm.serve.shared import Gone, SharedEngine

if TYPE_CHECKING:
    from bshm.matting import AlphaMatting
    from bshm.serve.order import Made, Order


NICE = 5  # of 19: how far the workers stand back behind the process that speaks HTTP


class Outfit(NamedTuple):
    """What each worker works with; see `bshm.matting.AlphaMatting`."""

    weights: str
    device: str
    engine: str
    threads: int


def main(orders: Connection, outfit: Outfit, address: str) -> None:
    """Answer orders with what was made of them, or with a BshmError, until nobody asks any more.

    The first answer, to no order, is the name of the weights, once it has rehearsed.

    address: of the process that has the engine; it ends with that one. Empty: it has one of its own
    """
    leave_signals_to_service()
    if hasattr(os, "nice"):  # not on Windows; who refuses and answers probes goes first
        os.nice(NICE)
    # What is wrong with a file the answer says; whoever sends many would fill the log.
    logging.getLogger("PIL").setLevel(logging.CRITICAL)
    with contextlib.suppress(Gone):
        try:
            matting, heard = _prepare(outfit, address)
        except BshmError as error:
            orders.send(error)
            return
        orders.send(matting.weights.name)
        while wait([orders, *heard]) == [orders]:
            try:
                order = orders.recv()
            except (EOFError, OSError):
                return
            orders.send(_answer(order, matting))


def _prepare(outfit: Outfit, address: str) -> tuple[AlphaMatting, list[Connection]]:
    """What it works with, rehearsed, and what else it listens to. Raises BshmError, Gone."""
    from bshm.matting import AlphaMatting
    from bshm.serve.making import rehearse

    start, heard = engines.start, []
    if address:
        engine = SharedEngine(address)
        start, heard = engine.start, [engine.pipe]
    matting = AlphaMatting(**outfit._asdict(), start=start)
    rehearse(matting)
    return matting, heard


def _answer(order: Order, matting: AlphaMatting) -> Made | BshmError:
    """Raises Gone."""
    from bshm.serve.making import fulfil

    try:
        return fulfil(order, matting)
    except Gone:
        raise
    except BshmError as error:
        return error
    except MemoryError:
        return BshmError("not enough memory for this photo", code="out_of_memory")
    except Exception:
        logging.getLogger("bshm.serve").exception("a photo met an unexpected error")
        return BshmError("an unexpected error", code="unexpected")
