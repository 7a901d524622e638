"""``python -m bshm`` is the command ``bshm``."""

import sys

from bshm.cli import main

sys.exit(main())
