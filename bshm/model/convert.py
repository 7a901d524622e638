"""Frozen TensorFlow graphs to ONNX, so that they run without TensorFlow, and faster.

Needs TensorFlow, tf2onnx and ONNX Runtime together: ``pip install 'bshm[convert]'``.
"""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Iterator

from bshm.errors import DeviceError, WeightsError, install_extra
from bshm.model import weights
from bshm.model.engine import HIGHEST_LEVEL, INPUT, LOWEST_LEVEL, OUTPUT, verbose

if TYPE_CHECKING:
    import numpy as np

    from bshm.model.tensorflow import TensorFlowEngine

NEEDED_PACKAGES = ("tensorflow", "tf2onnx", "onnxruntime")
OPSET = 17  # with older ones, onnxruntime misreads sizes that the graph computes
TOLERANCE = 2  # levels of 255


def convert(graph: str, model: str) -> Path:
    """Write a frozen graph as an ONNX file that gives the same alpha; the file written.

    graph: a ``.pb`` file of the contract in `bshm.model.engine`
    model: the ``.onnx`` file to write; beside released weights in the cache, it is used by itself

    Both run on pictures of several sizes; where any alpha differs by more than 2 of 255 levels,
    nothing is written. Raises WeightsError (not such a graph, no translation, another result, not
    writable) and DeviceError (a package is missing).
    """
    target = Path(model)
    if target.suffix.lower() != ".onnx":
        raise WeightsError(
            "the file to write must end in .onnx, unlike %s" % model, code="not_convertible"
        )
    missing = [package for package in NEEDED_PACKAGES if not importlib.util.find_spec(package)]
    if missing:
        raise DeviceError(
            "converting needs the package %s: %s"
            % (" and ".join(missing), install_extra("convert")),
            code="engine_missing",
        )
    from bshm.model.tensorflow import TensorFlowEngine

    before = TensorFlowEngine(graph, "cpu")
    try:
        with _temporary(target) as path:
            _translate(graph, path)
            _compare(before, path, graph)
            path.replace(target)
    finally:
        before.close()
    weights.record(target)
    return target


def _translate(graph: str, path: Path) -> None:
    """Have tf2onnx write the graph as ONNX. Raises WeightsError."""
    import tensorflow as tf
    from tf2onnx import convert as tf2onnx

    if not verbose():
        logging.getLogger("tf2onnx").setLevel(logging.CRITICAL)
    definition = tf.compat.v1.GraphDef()
    definition.ParseFromString(Path(graph).read_bytes())
    try:
        tf2onnx.from_graph_def(
            definition,
            input_names=[INPUT],
            output_names=[OUTPUT],
            opset=OPSET,
            output_path=str(path),
        )
    except (ValueError, RuntimeError, KeyError, TypeError) as error:
        raise WeightsError(
            "%s cannot be translated to ONNX: %s" % (graph, error), code="not_convertible"
        ) from error


def _compare(before: TensorFlowEngine, path: Path, graph: str) -> None:
    """Raise WeightsError unless the ONNX file gives the alpha that the graph gives."""
    from bshm.model.onnx import OnnxEngine

    after = OnnxEngine(str(path), "cpu")
    for photo in _photos():
        # Engines stretch levels over 0..1: back to levels of 255.
        span = HIGHEST_LEVEL - LOWEST_LEVEL
        worst = abs(before.alpha(photo) - after.alpha(photo)).max() * span
        if worst > TOLERANCE + 0.01:
            raise WeightsError(
                "%s was not converted: on a picture of %d×%d pixels the alpha of the ONNX graph is "
                "up to %d/255 off, and at most %d/255 is allowed"
                % (graph, photo.shape[1], photo.shape[0], round(worst), TOLERANCE),
                code="not_convertible",
            )


def _photos() -> Iterator[np.ndarray]:
    """Pictures to compare on: a person drawn roughly, in several sizes, and plain noise."""
    import numpy as np

    random = np.random.RandomState(0)
    for height, width in ((640, 640), (480, 640), (1080, 720), (301, 203)):
        y, x = np.mgrid[0:height, 0:width].astype(np.float32)
        x, y = x / width - 0.5, y / height
        head = (x / 0.13) ** 2 + ((y - 0.35) / 0.17) ** 2 < 1
        body = (x / 0.35) ** 2 + ((y - 1.05) / 0.5) ** 2 < 1
        hair = (x / 0.16) ** 2 + ((y - 0.3) / 0.19) ** 2 < 1
        picture = np.stack([90 + 60 * y, 120 + 80 * x, 170 - 60 * y], 2)
        for part, colour in ((hair, (60, 40, 30)), (body, (150, 40, 50)), (head, (225, 175, 150))):
            picture[part] = colour
        picture += random.normal(0, 6, picture.shape)
        yield picture.clip(0, 255).astype(np.uint8)
    yield random.randint(0, 256, (256, 384, 3)).astype(np.uint8)


@contextlib.contextmanager
def _temporary(target: Path) -> Iterator[Path]:
    """A file beside the target, which is removed unless it was renamed."""
    path = target.with_name(".%s.%s.tmp" % (target.stem, uuid.uuid4().hex))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield path
    except OSError as error:
        raise WeightsError(
            "cannot write %s: %s" % (target, error.strerror), code="not_written"
        ) from error
    finally:
        with contextlib.suppress(OSError):  # renamed, or never written
            path.unlink()
