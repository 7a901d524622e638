"""The shipped weights give one matte on every framework: PyTorch, ONNX Runtime, TensorFlow.

Photos: the two samples and twenty views of them. The environment variable BSHM_PHOTOS names a
folder of JPEGs to take as well, such as the photos held out of training (`training/split.py`).
"""

from __future__ import annotations

import functools
import importlib.util
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from bshm.matting import working_size
from bshm.model.engine import alpha_from_levels
from bshm.model.weights import DATA

ROOT = Path(__file__).parents[2]
LEVELS = 2  # of 255, everywhere


def seen(rgb: np.ndarray) -> np.ndarray:
    """A photo at the size the network sees it, so that no resizing comes between."""
    return cv2.resize(rgb, working_size(*rgb.shape[:2])[::-1], interpolation=cv2.INTER_AREA)


def photos() -> list[np.ndarray]:
    """RGB uint8 arrays of working size."""
    samples = [cv2.imread(str(ROOT / "image-matting" / n))[..., ::-1] for n in ("1.png", "2.png")]
    random = np.random.default_rng(0)
    views = list(samples)
    for index in range(20):
        photo = samples[index % 2]
        height, width = photo.shape[:2]
        top, left = random.integers(0, height // 2), random.integers(0, width // 2)
        view = photo[top : random.integers(top + height // 3, height + 1), left:]
        light = random.uniform(0.4, 1.4)
        views.append((view[:, :: (1, -1)[index % 3 == 0]] * light).clip(0, 255).astype(np.uint8))
    for path in sorted(Path(os.environ.get("BSHM_PHOTOS", "none given")).glob("*.jpg")):
        views.append(cv2.imread(str(path))[..., ::-1])
    return [seen(np.ascontiguousarray(view)) for view in views]


@functools.lru_cache(maxsize=None)
def reference() -> list[tuple[np.ndarray, np.ndarray]]:
    """Photos, and what ONNX Runtime makes of them."""
    pytest.importorskip("onnxruntime", reason="the package onnxruntime is not installed")
    from bshm.model.onnx import OnnxEngine

    runtime = OnnxEngine(str(DATA / "bshm-lite.onnx"), "cpu")
    return [(photo, runtime.alpha(photo)) for photo in photos()]


def assert_agree(alphas, expected):
    worst = max(255 * np.abs(a - e).max() for a, e in zip(alphas, expected))
    assert worst <= LEVELS * 1.02, "mattes differ by %.1f of 255" % worst  # 1.02: the stretch


def test_tensorflow_agrees():
    if importlib.util.find_spec("tensorflow") is None:
        pytest.skip("the package tensorflow is not installed")
    from bshm.model.tensorflow import TensorFlowEngine

    engine = TensorFlowEngine(str(DATA / "bshm-lite.pb"), "cpu")
    assert_agree((engine.alpha(photo) for photo, _ in reference()), (a for _, a in reference()))


def test_pytorch_agrees():
    torch = pytest.importorskip("torch", reason="the package torch is not installed")
    onnx = pytest.importorskip("onnx", reason="the package onnx is not installed")
    from training.export import fold
    from training.networks import BSHM, encoder_of

    shipped = onnx.load(str(DATA / "bshm-lite.onnx")).graph.initializer
    weights = {t.name.replace("/half", ""): onnx.numpy_helper.to_array(t) for t in shipped}
    model = BSHM(encoder_of(weights)).eval()
    fold(model)
    model.load_state_dict({n: torch.tensor(weights[n]).float() for n in model.state_dict()})

    def alpha(photo: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            alpha = model(torch.tensor(photo.transpose(2, 0, 1)[None]).float())
        return alpha_from_levels((alpha[0, 0] * 255).round().byte().numpy())

    assert_agree((alpha(photo) for photo, _ in reference()), (a for _, a in reference()))
