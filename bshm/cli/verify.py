"""``bshm verify``: check fetched weights against their recorded hash."""

from __future__ import annotations

from bshm.cli import flags, terminal


def run(arguments: list[str]) -> int:
    from bshm.model import weights

    parser = flags.parser("verify", "Check fetched weights against their recorded sha256.")
    parser.add_argument("model", nargs="?", default=weights.RELEASED, help="(default: %(default)s)")
    args = parser.parse_args(arguments)
    terminal.print_text("%s: whole" % weights.verify(args.model))
    return terminal.OK
