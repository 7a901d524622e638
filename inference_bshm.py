"""Cut people out of photos: ``python inference_bshm.py -i photo.jpg -d results``."""

import sys

from bshm.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
