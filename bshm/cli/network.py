"""The network that a command runs, as its flags say, and one line about it."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from bshm.cli import terminal
from bshm.errors import BshmError

if TYPE_CHECKING:
    from bshm.matting import AlphaMatting


def load(args: argparse.Namespace) -> AlphaMatting:
    """Load what the flags of `bshm.cli.flags.model_flags` ask for."""
    from bshm.matting import AlphaMatting

    with terminal.without_chatter(args.verbose):
        matting = AlphaMatting(
            weights=args.weights, device=args.device, engine=args.engine, threads=args.threads
        )
    if not args.quiet:
        weights = matting.weights
        # That nothing was downloaded is as it should be; that what was cannot run is not.
        wanted = args.verbose or weights.code not in ("", "released_missing")
        why = terminal.with_hint(BshmError(weights.why, code=weights.code))
        line = "%s on %s" % (weights.name, matting.device)
        terminal.say("%s (%s)" % (line, why) if wanted else line)
        if matting.note:
            terminal.say(matting.note)
    return matting
