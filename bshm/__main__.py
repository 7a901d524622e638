"""``python -m bshm`` is the command ``bshm``."""

import sys

from bshm.cli import signals


def main() -> int:
    """Run the command line of this process; the exit code."""
    signals.leave_at_once()
    from bshm.cli.main import main

    return main()


if __name__ == "__main__":
    sys.exit(main())
