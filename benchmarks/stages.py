"""Where a photo's time goes: ``python benchmarks/stages.py PHOTO.jpg``.

Processor time, of all threads together, of each step of a process that cuts out a photo, and again
of one more: of several processes the least, so that other work on the machine tells the least.
"""

from __future__ import annotations

import compileall
import json
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PROCESSES = 7


def main(photo: Path) -> None:
    compileall.compile_dir(str(ROOT / "bshm"), quiet=1)
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": path}
    runs = []
    for _ in range(PROCESSES):
        command = [sys.executable, __file__, str(photo), "once"]
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
        runs.append(json.loads(done.stdout))
    first, again = (
        {step: min(run[n][step] for run in runs) for step in runs[0][n]} for n in (0, 1)
    )
    print("load average %.1f, ms of processor time" % os.getloadavg()[0])
    print("| step | first photo | share | one more | share |\n|---|---:|---:|---:|---:|")
    for step, spent in {**first, "together": sum(first.values())}.items():
        more = sum(again.values()) if step == "together" else again.get(step)
        cells = [step, "%.0f" % spent, _share(spent, first)]
        cells += ["–", "–"] if more is None else ["%.0f" % more, _share(more, again)]
        print("| %s |" % " | ".join(cells))


def _least(runs: list[dict[str, float]]) -> dict[str, float]:
    return {step: min(run[step] for run in runs) for step in runs[0]}


def _share(spent: float, steps: dict[str, float]) -> str:
    return "%.0f %%" % (100 * spent / sum(steps.values()))


def once(photo: Path) -> None:
    """In a process of its own: milliseconds by step, of a first photo and of one more."""
    first: dict[str, float] = {}
    again: dict[str, float] = {}
    last = 0.0

    def took(step: str, steps: dict[str, float] = first) -> None:
        nonlocal last
        now = time.process_time()
        steps[step], last = (now - last) * 1000, now

    took("start of Python")
    import numpy  # noqa: F401

    took("import of NumPy")
    import cv2  # noqa: F401

    took("import of OpenCV")
    import PIL.Image  # noqa: F401

    took("import of Pillow")
    import onnxruntime  # noqa: F401

    took("import of ONNX Runtime")
    from bshm.batch import run  # noqa: F401
    from bshm.cli import cut  # noqa: F401
    from bshm.codec.decode import decode
    from bshm.matting import AlphaMatting
    from bshm.pipeline import Recipe, finish

    took("import of bshm")
    matting = AlphaMatting()
    took("load the network")
    for steps in (first, again):
        picture = decode(photo.read_bytes(), photo.name)
        took("decode the JPEG", steps)
        sight = matting.see(picture.rgb)
        took("forward", steps)
        alpha = sight.alpha(picture.rgb)
        took("refine", steps)
        cutout = finish(picture, alpha, Recipe())
        took("edge colours", steps)
        cutout.encode("png")
        took("encode the PNG", steps)
    print(json.dumps([first, again]))


if __name__ == "__main__":
    (once if sys.argv[2:] == ["once"] else main)(Path(sys.argv[1]))
