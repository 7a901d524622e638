"""The same with rembg's Python interface: PHOTO OUTPUT TIMES MODEL.onnx -> JSON on stdout."""

import json
import sys
import time
from pathlib import Path


def main(photo: Path, output: Path, times: int, model: str) -> None:
    start = time.perf_counter()
    from rembg import new_session, remove

    session = new_session("dis_custom", model_path=model)
    load = time.perf_counter() - start

    def cut_out() -> float:
        begin = time.perf_counter()
        output.write_bytes(remove(photo.read_bytes(), session=session))
        return time.perf_counter() - begin

    cut_out()
    print(json.dumps({"load": load, "seconds": [cut_out() for _ in range(times)]}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
