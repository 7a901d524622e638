"""``python -m bshm`` is the command ``bshm``."""

import sys

from bshm.cli.main import main

sys.exit(main())
