"""``bshm download``: fetch released weights."""

from __future__ import annotations

from bshm.cli import flags, terminal

REVISION = "a tag (default: the SDK's choice, the newest tag; since 1.38 master)"


def run(arguments: list[str]) -> int:
    from bshm.model import weights

    parser = flags.parser("download", "Fetch released weights once, verified, into the cache.")
    parser.add_argument("model", nargs="?", default=weights.RELEASED, help="(default: %(default)s)")
    parser.add_argument("--revision", metavar="TAG", help=REVISION)
    args = parser.parse_args(arguments)
    terminal.print_text(str(weights.download(args.model, args.revision)))
    return terminal.OK
