"""``bshm info``: what belongs in a bug report."""

from __future__ import annotations

import logging
import platform
import subprocess
import sys
from pathlib import Path
from typing import Iterator

from bshm import __version__
from bshm.cli import flags, terminal
from bshm.errors import BshmError
from bshm.model import weights
from bshm.model.cpus import cpu_limit
from bshm.model.engine import installed

REPORTED_PACKAGES = (
    "numpy",
    "opencv-python-headless",
    "opencv-python",
    "pillow",
    "onnxruntime",
    "onnxruntime-gpu",
    "isal",
    "tensorflow",
    "protobuf",
    "modelscope",
    "requests",
)


def run(arguments: list[str]) -> int:
    flags.parser("info", "Print what belongs in a bug report.").parse_args(arguments)
    with terminal.without_chatter(terminal.verbose(False)):
        report = "\n".join("%-12s %s" % fact for fact in _facts())
    terminal.print_text(report)
    return terminal.OK


def _facts() -> Iterator[tuple[str, str]]:
    yield "bshm", "%s in %s" % (__version__, Path(__file__).resolve().parents[1])
    yield "python", "%s, %s" % (sys.version.split()[0], sys.executable)
    yield "system", "%s, %d CPUs usable" % (platform.platform(), cpu_limit())
    for name, version in _versions():
        yield "package", "%s %s" % (name, version)
    yield "engines", ", ".join(installed()) or "none: pip install onnxruntime"
    yield from (("gpu", gpu) for gpu in _gpus())
    try:
        from bshm.matting import AlphaMatting

        with AlphaMatting() as matting:
            chosen = matting.weights
            why = terminal.with_hint(BshmError(chosen.why, code=chosen.code))
            yield "weights", "%s: %s (%s)" % (chosen.name, chosen.path, why)
            yield "runs on", "%s, %s" % (chosen.engine, matting.note or matting.device)
    except Exception as error:  # a broken installation is what is reported most
        logging.getLogger("bshm").debug("no matting here", exc_info=True)
        yield "fault", str(error)
    yield "cache", str(weights.cache())


def _versions() -> Iterator[tuple[str, str]]:
    if sys.version_info >= (3, 8):
        from importlib.metadata import PackageNotFoundError, version
    else:
        from importlib_metadata import PackageNotFoundError, version
    for name in REPORTED_PACKAGES:
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
    lines = answer.stdout.decode(errors="replace").strip().splitlines()
    return lines or ["none seen: nvidia-smi shows nothing"]
