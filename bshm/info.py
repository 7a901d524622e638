"""What belongs in a bug report: versions, engines, devices, weights and cache."""

from __future__ import annotations

import importlib.util
import os
import platform
import sys
from typing import Iterator

from bshm import __version__, engines, weights
from bshm.errors import BshmError

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
    yield "bshm", "%s in %s" % (__version__, os.path.dirname(os.path.abspath(__file__)))
    yield "python", "%s, %s" % (sys.version.split()[0], sys.executable)
    yield "system", "%s, %d CPUs usable" % (platform.platform(), engines.cpu_limit())
    for name, version in _versions():
        yield "package", "%s %s" % (name, version)
    yield "engines", ", ".join(engines.installed()) or "none: pip install onnxruntime"
    yield "devices", ", ".join(_devices())
    try:
        chosen = weights.resolve("auto", engines.installed())
        yield "weights", "%s: %s (%s)" % (chosen.name, chosen.path, chosen.why)
    except BshmError as error:
        yield "weights", str(error)
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


def _devices() -> Iterator[str]:
    """Devices that the installed engines were built for."""
    yield "cpu"
    if importlib.util.find_spec("onnxruntime"):
        import onnxruntime

        for device in ("cuda", "tensorrt"):
            if any(device in name.lower() for name in onnxruntime.get_available_providers()):
                yield "%s (onnxruntime)" % device
