"""What belongs in a bug report: versions, engines, devices, weights and cache."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path
from typing import Iterator

from bshm import __version__
from bshm.model import weights
from bshm.model.cpus import cpu_limit
from bshm.model.engine import installed

PACKAGES = (
    "numpy",
    "opencv-python-headless",
    "opencv-python",
    "pillow",
    "onnxruntime",
    "onnxruntime-gpu",
    "tensorflow",
    "protobuf",
    "modelscope",
    "requests",
)


def report() -> str:
    """The report, a line a fact."""
    return "\n".join("%-12s %s" % fact for fact in _facts())


def _facts() -> Iterator[tuple[str, str]]:
    yield (
        "bshm",
        "%s in %s" % (__version__, Path(__file__).resolve().parents[1]),
    )
    yield "python", "%s, %s" % (sys.version.split()[0], sys.executable)
    yield "system", "%s, %d CPUs usable" % (platform.platform(), cpu_limit())
    for name, version in _versions():
        yield "package", "%s %s" % (name, version)
    yield "engines", ", ".join(installed()) or "none: pip install onnxruntime"
    yield from (("gpu", gpu) for gpu in _gpus())
    try:
        from bshm.matting import Matting

        with Matting() as matting:
            chosen = matting.weights
            yield "weights", "%s: %s (%s)" % (chosen.name, chosen.path, chosen.why)
            yield "runs on", "%s, %s" % (chosen.engine, matting.note or matting.device)
    except Exception as error:  # a broken installation is what is reported most
        yield "fault", str(error)
    yield "cache", str(weights.cache())


def _versions() -> Iterator[tuple[str, str]]:
    if sys.version_info >= (3, 8):
        from importlib.metadata import PackageNotFoundError, version
    else:
        from importlib_metadata import PackageNotFoundError, version
    for name in PACKAGES:
        try:
            yield name, version(name)
        except PackageNotFoundError:
            continue


def _gpus() -> list[str]:
    """A line an NVIDIA GPU that the driver shows: name, driver, memory."""
    query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    try:
        answer = subprocess.run(query, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return ["none seen: nvidia-smi does not run here"]
    said = answer.stdout.decode(errors="replace").strip().splitlines()
    return said or ["none seen: nvidia-smi shows nothing"]
