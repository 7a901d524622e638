"""The network that a command runs, as its flags say, and one line about it."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from bshm.cli import terminal
from bshm.errors import BshmError

if TYPE_CHECKING:
    from bshm.matting import Matting


def load(args: argparse.Namespace) -> Matting:
    """Load what the flags of `bshm.cli.flags.model_flags` ask for."""
    from bshm.matting import Matting

    with terminal.without_chatter(args.verbose):
        matting = Matting(
            weights=args.weights, device=args.device, engine=args.engine, threads=args.threads
        )
    if not args.quiet:
        weights = matting.weights
        why = terminal.with_hint(BshmError(weights.why, code=weights.code))
        terminal.say("%s on %s (%s)" % (weights.name, matting.device, why))
        if matting.note:
            terminal.say(matting.note)
    return matting
