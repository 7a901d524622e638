"""Frozen matting graphs on TensorFlow: 1.15 (the stack of the ModelScope image) and 2."""

from __future__ import annotations

import ctypes
import os
import threading
import warnings
from typing import TYPE_CHECKING, Any

from bshm.errors import DeviceError, WeightsError
from bshm.model.cpus import cpu_limit
from bshm.model.engine import CLOSED, DEVICES, INPUT, OUTPUT, Engine, alpha_of, broken, verbose

if TYPE_CHECKING:
    import numpy as np

_import_lock = threading.Lock()


class TensorFlowEngine(Engine):
    """A frozen ``GraphDef`` in one TensorFlow session; safe to call from several threads.

    What TensorFlow 2 says on stderr as it starts is the caller's to hide: a descriptor is the
    whole process's.

    path: a ``.pb`` file of the contract in `bshm.model.engine`
    device: ``auto`` (the GPU where TensorFlow can use one, else the CPU), ``cpu`` or ``cuda``
    threads: CPU threads of one forward pass; 0 is all that this process may use

    GPU memory is taken as it is needed. Raises WeightsError (no such file, damaged, another
    contract) and DeviceError (a device asked for is not there; the message names what is missing;
    or the process was forked after TensorFlow's first session, whose threads a fork does not copy:
    another one would wait for them without end).
    """

    _home = 0  # id of the process that made the first session

    def __init__(self, path: str, device: str = "auto", threads: int = 0) -> None:
        if device not in DEVICES:
            raise DeviceError(
                "unknown device %r: choose one of %s" % (device, ", ".join(DEVICES)),
                code="unknown_device",
            )
        if device == "tensorrt":
            raise DeviceError(
                "tensorrt runs on the onnx engine only, not on tensorflow", code="device_missing"
            )
        self._tf = tf = _import_tensorflow()
        if TensorFlowEngine._home not in (0, os.getpid()):
            raise DeviceError(
                "TensorFlow ran before this process was forked and cannot run in it: "
                "spawn processes, or fork before the first photo",
                code="other_process",
            )
        graph = _read_graph(tf, path)
        count = threads or cpu_limit()
        config = tf.compat.v1.ConfigProto(
            intra_op_parallelism_threads=count,
            inter_op_parallelism_threads=count,
            device_count={"GPU": 0} if device == "cpu" else {},
        )
        config.gpu_options.allow_growth = True
        TensorFlowEngine._home = os.getpid()
        self._session: Any = tf.compat.v1.Session(graph=graph, config=config)
        self.device, self.note = self._settle(device)

    def _settle(self, device: str) -> tuple[str, str]:
        """The device the session runs on, and a note where a GPU's driver is there but not used."""
        if any(found.device_type == "GPU" for found in self._session.list_devices()):
            return "cuda", ""
        if device == "cuda":
            self.close()
            raise DeviceError(
                "cuda does not work here: %s" % _missing(self._tf), code="device_missing"
            )
        if device == "auto" and _opens("libcuda.so.1"):
            return "cpu", "running on the CPU: %s" % _missing(self._tf)
        return "cpu", ""

    def alpha(self, rgb: np.ndarray) -> np.ndarray:
        session = self._session
        if session is None:
            raise DeviceError(CLOSED, code="closed")
        try:
            rgba = session.run(OUTPUT, {INPUT: rgb.astype("float32")})
        except self._tf.errors.OpError as error:
            reason = error.message.split("\n\t [[")[0].splitlines()[-1]  # above the nodes' names
            raise DeviceError(
                "the graph failed on %d×%d pixels on %s: %s"
                % (rgb.shape[1], rgb.shape[0], self.device, reason),
                code="forward_failed",
            ) from error
        return alpha_of(rgba, rgb)

    def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.close()


def _import_tensorflow() -> Any:
    """TensorFlow, with its log and its warnings about itself turned down unless `verbose`.

    Raises DeviceError.
    """
    if not verbose():
        # Read once, when the library is loaded; what the user has set comes first.
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        # Warning filters are the whole process's: two threads would restore each other's.
        with _import_lock, warnings.catch_warnings():
            if not verbose():
                warnings.simplefilter("ignore")
            import tensorflow
    except Exception as error:
        raise broken("tensorflow", error) from error
    if not verbose():
        tensorflow.get_logger().setLevel("ERROR")
    return tensorflow


def _read_graph(tf: Any, path: str) -> Any:
    """The file as a graph of the contract. Raises WeightsError."""
    from google.protobuf.message import DecodeError

    definition = tf.compat.v1.GraphDef()
    graph = tf.Graph()
    try:
        with open(path, "rb") as file:
            definition.ParseFromString(file.read())
        with graph.as_default():
            tf.import_graph_def(definition, name="")
    except OSError as error:
        raise WeightsError(
            "cannot read the weights file %s: %s" % (path, error.strerror),
            code="weights_unreadable",
        ) from error
    except (DecodeError, ValueError, tf.errors.OpError) as error:
        raise WeightsError(
            "%s is not a frozen graph this TensorFlow (%s) can run, or it is damaged: %s"
            % (path, tf.__version__, str(error).strip().splitlines()[0]),
            code="not_a_matting_graph",
        ) from error
    _check_contract(tf, graph, path)
    return graph


def _check_contract(tf: Any, graph: Any, path: str) -> None:
    found = {}
    for name in (INPUT, OUTPUT):
        try:
            found[name] = graph.get_tensor_by_name(name).dtype
        except KeyError:
            continue
    if found != {INPUT: tf.float32, OUTPUT: tf.uint8}:
        inputs = [n.name for n in graph.as_graph_def().node if n.op == "Placeholder"]
        raise WeightsError(
            "%s is not a matting graph of the expected kind: its inputs are %s, and of the tensors "
            "%s (float32) and %s (uint8) it has %s"
            % (
                path,
                ", ".join(inputs) or "none",
                INPUT,
                OUTPUT,
                ", ".join("%s (%s)" % (k, v.name) for k, v in found.items()) or "none",
            ),
            code="not_a_matting_graph",
        )


def _missing(tf: Any) -> str:
    """Why TensorFlow sees no GPU: the build, the driver, CUDA or cuDNN, in this order."""
    if not tf.test.is_built_with_cuda():
        return "this TensorFlow (%s) is built without GPU support" % tf.__version__
    if not _opens("libcuda.so.1"):
        return "no NVIDIA driver is installed (libcuda.so.1 cannot be opened)"
    if hasattr(tf.sysconfig, "get_build_info"):  # TensorFlow 2
        build = tf.sysconfig.get_build_info()
        needs = "CUDA %s and cuDNN %s" % (build.get("cuda_version"), build.get("cudnn_version"))
    else:
        needs = "CUDA 11.3 and cuDNN 8.2 for the +cu113 build, CUDA 10.0 and cuDNN 7 for others"
        for libraries in (("cudart.so.11.0", "cudart.so.10.0"), ("cudnn.so.8", "cudnn.so.7")):
            if not any(_opens("lib" + library) for library in libraries):
                return "none of %s can be opened: TensorFlow %s needs %s" % (
                    ", ".join("lib" + library for library in libraries),
                    tf.__version__,
                    needs,
                )
    return (
        "TensorFlow %s, which needs %s, found no GPU that it can use; its own log, shown where "
        "the logger bshm is at DEBUG, says why" % (tf.__version__, needs)
    )


def _opens(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True
