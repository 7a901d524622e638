"""Cut one photo out again and again in one process: PHOTO OUTPUT TIMES -> JSON on stdout.

Each time is from JPEG file to PNG file. The first cutout warms up and is not counted.
"""

import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))


def main(photo: Path, output: Path, times: int) -> None:
    start = time.perf_counter()
    from bshm import Matting
    from bshm.codec.decode import decode
    from bshm.pipeline import Recipe, render

    matting = Matting()
    load = time.perf_counter() - start

    def cut_out() -> float:
        begin = time.perf_counter()
        picture = decode(photo.read_bytes(), photo.name)
        render(picture, matting, Recipe()).save(output)
        return time.perf_counter() - begin

    cut_out()
    print(json.dumps({"load": load, "seconds": [cut_out() for _ in range(times)]}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
