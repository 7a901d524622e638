"""Cut people out of photos: ``python inference_bshm.py -i photo.jpg -d results``."""

import sys

if sys.version_info < (3, 7):  # noqa: UP036 - an older one cannot even read the package
    sys.exit("bshm needs Python 3.7 or newer, not %d.%d" % sys.version_info[:2])

from bshm.__main__ import main

if __name__ == "__main__":
    sys.exit(main())
