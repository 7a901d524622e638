"""Matting graphs on ONNX Runtime."""

from __future__ import annotations

import contextlib
import ctypes
import io
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bshm.errors import DeviceError, WeightsError, lacks_memory
from bshm.model.cpus import cpu_limit
from bshm.model.engine import (
    CLOSED,
    DEVICES,
    GPUS,
    INPUT,
    OUTPUT,
    Engine,
    alpha_of,
    broken,
    verbose,
)

# ONNX Runtime 1.32 writes a device id and usage data into the home folder and sends them to its
# maker, unless it finds this when it is imported. Nothing here may open a connection.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
try:
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as state
except Exception as error:
    raise broken("onnx", error) from error

if TYPE_CHECKING:
    import numpy as np

PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}
# Grow GPU memory by what is asked for, and skip the search through all convolution algorithms,
# which takes seconds for every new photo size.
CUDA_OPTIONS = {
    "arena_extend_strategy": "kSameAsRequested",
    "cudnn_conv_algo_search": "HEURISTIC",
}
# ONNX Runtime's errors have no base class of their own.
ERRORS = (
    state.Fail,
    state.InvalidArgument,
    state.InvalidGraph,
    state.InvalidProtobuf,
    state.NoModel,
    state.NoSuchFile,
    state.NotImplemented,
    state.RuntimeException,
    state.EPFail,
    RuntimeError,
    ValueError,
)


class OnnxEngine(Engine):
    """A matting graph in one ONNX Runtime session; safe to call from several threads.

    path: an ``.onnx`` file of the contract in `bshm.model.engine`
    device: ``auto`` (CUDA where it works, else the CPU), ``cpu``, ``cuda`` or ``tensorrt``
    threads: CPU threads of one forward pass; 0 is all that this process may use

    Raises WeightsError (no such file, damaged, another contract) and DeviceError (a device asked
    for is not there; the message names the missing piece).
    """

    def __init__(self, path: str, device: str = "auto", threads: int = 0) -> None:
        if device not in DEVICES:
            raise DeviceError(
                "unknown device %r: choose one of %s" % (device, ", ".join(DEVICES)),
                code="unknown_device",
            )
        self._session, self.device, self.note = _start(path, device, threads or cpu_limit())
        _check_contract(self._session, path)
        _give_back_memory()

    def alpha(self, rgb: np.ndarray) -> np.ndarray:
        session = self._session
        if session is None:
            raise DeviceError(CLOSED, code="closed")
        try:
            rgba = session.run([OUTPUT], {INPUT: rgb.astype("float32")})[0]
        except ERRORS as error:
            raise DeviceError(
                "the graph failed on %d×%d pixels on %s: %s"
                % (rgb.shape[1], rgb.shape[0], self.device, _first_line(error)),
                code="forward_failed",
            ) from error
        return alpha_of(rgba, rgb)

    def close(self) -> None:
        self._session = None
        _give_back_memory()


def _start(path: str, device: str, threads: int) -> tuple[Any, str, str]:
    """Session, the device it runs on, and a note where `auto` could not use a GPU build."""
    if device != "auto":
        return _open(path, device, threads), device, ""
    note = ""
    if PROVIDERS["cuda"] in onnxruntime.get_available_providers():
        try:
            return _open(path, "cuda", threads), "cuda", ""
        except DeviceError as error:
            note = "running on the CPU: %s" % error
    return _open(path, "cpu", threads), "cpu", note


def _open(path: str, device: str, threads: int) -> Any:
    """A session that really runs on `device`. Raises DeviceError, WeightsError."""
    providers = _providers(device)
    try:
        session = onnxruntime.InferenceSession(
            path,
            _options(threads),
            providers=providers,
            enable_fallback=0,  # its fallback prints to stdout and goes on without the GPU
        )
    except ERRORS as error:
        if not os.path.isfile(path):
            raise WeightsError(
                "no such weights file: %s" % path, code="weights_not_found"
            ) from error
        if lacks_memory(error):
            reason = "there is not enough memory to load %s: %s" % (path, _first_line(error))
            raise DeviceError(reason, code="out_of_memory") from error
        if device != "cpu" and not isinstance(error, (state.InvalidProtobuf, state.InvalidGraph)):
            reason = _missing_library(device) or _first_line(error)
            raise DeviceError(
                "%s does not work here: %s" % (device, reason), code="device_missing"
            ) from error
        raise WeightsError(
            "%s is not an ONNX graph this onnxruntime (%s) can run, or it is damaged: %s"
            % (path, onnxruntime.__version__, _first_line(error)),
            code="not_a_matting_graph",
        ) from error
    if PROVIDERS[device] not in session.get_providers():
        reason = _missing_library(device) or "no usable NVIDIA GPU or driver was found"
        raise DeviceError("%s does not work here: %s" % (device, reason), code="device_missing")
    return session


def _give_back_memory() -> None:
    """Give back what reading a graph took, a third of what the process has by then.

    glibc would keep it for later, when it is in the way of what a forward pass takes.
    """
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # other libraries have none
        if trim is not None:
            trim(0)


def _options(threads: int) -> Any:
    """Session options for a short start, photos of changing size and a shared machine."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Errors reach the user as exceptions; only fatal ones may write to stderr by themselves.
    options.log_severity_level = 2 if verbose() else 4
    # A memory plan for every photo size costs memory (70 MB at working size) and saves no time.
    options.enable_mem_pattern = False
    # Waiting threads sleep: photos are decoded and encoded on the same CPUs meanwhile.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _providers(device: str) -> list[tuple[str, dict]]:
    """Providers for `device`, best first. Raises DeviceError where the build lacks it."""
    available = onnxruntime.get_available_providers()
    if PROVIDERS[device] not in available:
        raise DeviceError(
            "%s needs the package onnxruntime-gpu: the installed onnxruntime %s has only %s"
            % (device, onnxruntime.__version__, ", ".join(available)),
            code="device_missing",
        )
    chosen: list[tuple[str, dict]] = [(PROVIDERS["cpu"], {})]
    if device in GPUS:
        _preload_cuda()
        chosen.insert(0, (PROVIDERS["cuda"], CUDA_OPTIONS))
    if device == "tensorrt":
        chosen.insert(0, (PROVIDERS["tensorrt"], {}))
    return chosen


def _preload_cuda() -> None:
    """Let CUDA and cuDNN be found where pip puts them (packages ``nvidia-*``)."""
    if hasattr(onnxruntime, "preload_dlls"):  # since 1.21
        # It reports on stdout, where results go. What is missing is found by _missing_library.
        with contextlib.redirect_stdout(io.StringIO()):
            onnxruntime.preload_dlls()


def _missing_library(device: str) -> str:
    """What keeps a provider from loading, in the dynamic linker's words, or nothing."""
    if sys.platform != "linux":  # the libraries have other names there
        return ""
    folder = Path(onnxruntime.__file__).parent / "capi"
    for name in ("libonnxruntime_providers_shared.so", "libonnxruntime_providers_%s.so" % device):
        try:
            ctypes.CDLL(str(folder / name), mode=ctypes.RTLD_GLOBAL)
        except OSError as error:
            return str(error)
    return ""


def _check_contract(session: Any, path: str) -> None:
    found = [
        "%s %s %s" % (value.name, value.type, value.shape)
        for value in [*session.get_inputs(), *session.get_outputs()]
    ]
    inputs = {value.name: (value.type, len(value.shape)) for value in session.get_inputs()}
    outputs = {value.name: (value.type, len(value.shape)) for value in session.get_outputs()}
    expected = ("tensor(float)", 3), ("tensor(uint8)", 3)
    if inputs != {INPUT: expected[0]} or outputs.get(OUTPUT) != expected[1]:
        raise WeightsError(
            "%s is not a matting graph of the expected kind: it has %s; expected are %s "
            "tensor(float) [H, W, 3] and %s tensor(uint8) [H, W, 4]"
            % (path, ", ".join(found), INPUT, OUTPUT),
            code="not_a_matting_graph",
        )


def _first_line(error: BaseException) -> str:
    """ONNX Runtime's reason, without its codes, its own source and the path, named already."""
    line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    line = re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : (Load model from .* failed: ?)?", "", line)
    return re.sub(r"^/onnxruntime_src/\S+ .*?\) (?=[A-Z])", "", line)
