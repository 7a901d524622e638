"""``bshm help``: the help of a command."""

from __future__ import annotations

from bshm.cli import flags, main


def run(arguments: list[str]) -> int:
    parser = flags.parser("help", "Print the help of a command.")
    parser.add_argument("command", nargs="?", default="cut", choices=main.COMMANDS, metavar="NAME")
    return main.run(parser.parse_args(arguments).command, ["--help"])
