"""Engines: run a matting graph on one framework each, behind the same small interface.

An engine is made from a graph file and a device, and has ``alpha(rgb)``,
``close()``, ``device`` (what it runs on) and ``note`` (one line when ``auto`` had to do without
a GPU that seemed to be there, else empty). The graph contract is ModelScope's for frozen matting
graphs: float32 ``[H, W, 3]`` RGB in 0..255 goes in, straight uint8 RGBA ``[H, W, 4]`` comes out.
"""

from __future__ import annotations

import importlib.util
import os
from typing import TYPE_CHECKING

from bshm.errors import DeviceError, WeightsError, root_cause

if TYPE_CHECKING:
    import numpy as np

# ONNX Runtime 1.32 writes a device id and usage data into the home folder and sends them to its
# maker, unless it finds this when it is imported. Nothing here may open a connection.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

INPUT = "input_image:0"
OUTPUT = "output_png:0"
DEVICES = ("auto", "cpu", "cuda", "tensorrt")
PACKAGES = {"onnx": "onnxruntime", "tensorflow": "tensorflow"}

CLOSED = "the engine is closed: make a new one"

# The released graph answers 254 on solid people and seldom 255, and grazes 1 on plain background.
LOWEST_LEVEL, HIGHEST_LEVEL = 2, 253


def installed() -> list[str]:
    """Names of the engines whose framework is installed, the preferred one first.

    Looks without importing: TensorFlow takes seconds.
    """
    return [name for name, package in PACKAGES.items() if importlib.util.find_spec(package)]


def choose(name: str = "auto") -> list[str]:
    """Engines that may be used, the preferred one first: the one named, or all installed.

    Raises DeviceError for an engine that is not known or not installed.
    """
    here = installed()
    if name == "auto" and here:
        return here
    if name == "auto":
        raise DeviceError("no engine is installed: pip install onnxruntime")
    if name not in PACKAGES:
        raise DeviceError("unknown engine %r: choose auto or %s" % (name, ", ".join(PACKAGES)))
    if name not in here:
        raise DeviceError("the engine %s needs the package %s" % (name, PACKAGES[name]))
    return [name]


def broken(name: str, error: Exception) -> DeviceError:
    """What to raise where an engine's framework does not load.

    Not always by an ImportError: of versions that do not fit together, protobuf raises TypeError
    and NumPy AttributeError.
    """
    return DeviceError(
        "the engine %s needs the package %s, which does not load, install it again: %s"
        % (name, PACKAGES[name], root_cause(error))
    )


def verbose() -> bool:
    """Whether the frameworks' own logs are wanted on stderr: environment BSHM_VERBOSE=1."""
    return os.environ.get("BSHM_VERBOSE", "") not in ("", "0")


def alpha_of(rgba: np.ndarray, rgb: np.ndarray) -> np.ndarray:
    """Alpha of what a graph answered to a photo. Raises WeightsError where it is no RGBA of it."""
    if rgba.shape != (*rgb.shape[:2], 4):
        raise WeightsError(
            "the weights are not a matting graph: their answer to %s pixels has the shape %s"
            % (list(rgb.shape), list(rgba.shape))
        )
    return alpha_from_levels(rgba[..., 3])


def alpha_from_levels(levels: np.ndarray) -> np.ndarray:
    """Alpha channel as a graph answers it, uint8 ``[H, W]``, to float32 ``[H, W]`` in 0..1.

    Levels from 2 to 253 are stretched over the whole range, so that solid is exactly 1 and
    background exactly 0 whichever graph is asked.
    """
    import numpy as np

    span = HIGHEST_LEVEL - LOWEST_LEVEL
    table = ((np.arange(256, dtype=np.float32) - LOWEST_LEVEL) / span).clip(0.0, 1.0)
    return table[levels]
