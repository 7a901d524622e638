"""Engines: each runs a matting graph on one framework, behind the same small interface.

The graph contract is ModelScope's for frozen matting graphs: float32 ``[H, W, 3]`` RGB in 0..255
goes in, straight uint8 RGBA ``[H, W, 4]`` comes out.
"""

from __future__ import annotations

import abc
import importlib.util
import logging
from typing import TYPE_CHECKING

from bshm.errors import DeviceError, WeightsError, lacks_memory, root_cause

if TYPE_CHECKING:
    import numpy as np

INPUT = "input_image:0"
OUTPUT = "output_png:0"
DEVICES = ("auto", "cpu", "cuda", "tensorrt")
GPUS = ("cuda", "tensorrt")  # of these, the ones that are a GPU
ENGINE_PACKAGES = {"onnx": "onnxruntime", "tensorflow": "tensorflow"}

CLOSED = "the engine is closed: make a new one"

# The released graph answers 254 on solid people and seldom 255, and grazes 1 on plain background.
LOWEST_LEVEL, HIGHEST_LEVEL = 2, 253


class Engine(abc.ABC):
    """A matting graph that is ready to run, from any number of threads.

    device: what it runs on, ``cpu``, ``cuda`` or ``tensorrt``
    note: one line where ``auto`` had to do without a GPU that seemed to be there, else empty
    """

    device: str
    note: str

    @abc.abstractmethod
    def alpha(self, rgb: np.ndarray) -> np.ndarray:
        """RGB uint8 ``[H, W, 3]`` to alpha, float32 ``[H, W]`` in 0..1.

        Raises DeviceError (closed, or it fails there) and WeightsError (no answer of the contract).
        """

    @abc.abstractmethod
    def close(self) -> None:
        """Free the graph's memory. The engine cannot be used afterwards, only closed again."""


def start(name: str, path: str, device: str, threads: int) -> Engine:
    """The engine of a name, with a graph file loaded; its framework is imported here.

    threads: CPU threads of one forward pass

    Raises WeightsError (no such file, damaged, another contract) and DeviceError (a device asked
    for is not there, or the framework does not load; the message names the missing piece).
    """
    if name == "onnx":
        from bshm.model.onnx import OnnxEngine

        return OnnxEngine(path, device, threads)
    from bshm.model.tensorflow import TensorFlowEngine

    return TensorFlowEngine(path, device, threads)


def installed() -> list[str]:
    """Names of the engines whose framework is installed, the preferred one first.

    Looks without importing: TensorFlow takes seconds.
    """
    return [name for name, package in ENGINE_PACKAGES.items() if importlib.util.find_spec(package)]


def choose(name: str = "auto") -> list[str]:
    """Engines that may be used, the preferred one first: the one named, or all installed.

    Raises DeviceError for an engine that is not known or not installed.
    """
    here = installed()
    if name == "auto" and here:
        return here
    if name == "auto":
        raise DeviceError("no engine is installed: pip install onnxruntime", code="engine_missing")
    if name not in ENGINE_PACKAGES:
        raise DeviceError(
            "unknown engine %r: choose auto or %s" % (name, ", ".join(ENGINE_PACKAGES)),
            code="unknown_engine",
        )
    if name not in here:
        raise DeviceError(
            "the engine %s needs the package %s" % (name, ENGINE_PACKAGES[name]),
            code="engine_missing",
        )
    return [name]


def broken(name: str, error: Exception) -> DeviceError:
    """What to raise where an engine's framework does not load.

    Not always by an ImportError: of versions that do not fit together, protobuf raises TypeError
    and NumPy AttributeError.
    """
    if lacks_memory(error):
        return DeviceError(
            "there is not enough memory to load the engine %s: %s" % (name, root_cause(error)),
            code="out_of_memory",
        )
    return DeviceError(
        "the engine %s needs the package %s, which does not load, install it again: %s"
        % (name, ENGINE_PACKAGES[name], root_cause(error)),
        code="engine_broken",
    )


def verbose() -> bool:
    """Whether the frameworks' own logs are wanted on stderr: the logger ``bshm`` is at DEBUG."""
    return logging.getLogger("bshm").isEnabledFor(logging.DEBUG)


def alpha_of(rgba: np.ndarray, rgb: np.ndarray) -> np.ndarray:
    """Alpha of what a graph answered to a photo. Raises WeightsError where it is no RGBA of it."""
    if rgba.shape != (*rgb.shape[:2], 4):
        raise WeightsError(
            "the weights are not a matting graph: their answer to %s pixels has the shape %s"
            % (list(rgb.shape), list(rgba.shape)),
            code="not_a_matting_graph",
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
