"""What can be measured: our own matting, any ONNX matte model, mattes made before by any tool.

Each class has a `name` and `alpha(rgb, key)`: uint8 RGB [H, W, 3] -> float32 [H, W] in 0..1.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, Protocol

import cv2
import numpy as np

from benchmarks.pairs import Named, read_alpha


class Mattes(Protocol):
    """Anything that gives an alpha for a photo."""

    name: str

    def alpha(self, rgb: np.ndarray, key: Path) -> np.ndarray: ...


class Preset(NamedTuple):
    """How a model wants its input, and what its output needs.

    `square`: the photo is squeezed into size x size; otherwise its short side becomes `size` and
    both sides are rounded down to multiples of 32. `mean` and `std` apply to RGB in 0..1.
    `stretch`: the output is stretched to 0..1 afterwards, as the model's own code does.
    """

    size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    square: bool = True
    stretch: bool = False


PRESETS = {
    "isnet": Preset(1024, (0.5, 0.5, 0.5), (1.0, 1.0, 1.0)),
    "u2net": Preset(320, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), stretch=True),
    "modnet": Preset(512, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), square=False),
}


class OurMattes:
    """This project's own matting."""

    def __init__(self, weights: str) -> None:
        from bshm import Matting

        self._matting = Matting(weights=weights)
        self.name = self._matting.weights.name

    def alpha(self, rgb: np.ndarray, key: Path) -> np.ndarray:
        return self._matting.alpha(rgb)


class FirstLook:
    """This project's own matting without the closer look at people small in the frame."""

    def __init__(self, weights: str) -> None:
        from bshm import Matting

        self._matting = Matting(weights=weights)
        self.name = self._matting.weights.name + ", first look"

    def alpha(self, rgb: np.ndarray, key: Path) -> np.ndarray:
        from bshm.matting.upsample import upsample

        first, small = self._matting.first_look(rgb)
        return upsample(first, rgb, small)


class OnnxMattes:
    """A matte model [1, 3, h, w] -> [1, 1, h, w] in an ONNX file, fed as its preset says."""

    def __init__(self, path: Path, preset: Preset) -> None:
        import onnxruntime

        self.name = path.stem
        self._preset = preset
        self._session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0]
        # Models with side outputs put the finest first.
        self._output = self._session.get_outputs()[0].name

    def alpha(self, rgb: np.ndarray, key: Path) -> np.ndarray:
        height, width = rgb.shape[:2]
        (output,) = self._session.run([self._output], {self._input.name: self._prepare(rgb)})
        small = np.float32(output).reshape(output.shape[-2:])
        if self._preset.stretch:
            small = (small - small.min()) / max(float(np.ptp(small)), 1e-6)
        return np.clip(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), 0, 1)

    def _prepare(self, rgb: np.ndarray) -> np.ndarray:
        preset = self._preset
        height, width = rgb.shape[:2]
        size = (preset.size, preset.size)
        if not preset.square:
            scale = preset.size / min(height, width)
            size = (_multiple_of_32(width * scale), _multiple_of_32(height * scale))
        small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
        small = (small - np.float32(preset.mean)) / np.float32(preset.std)
        half = self._input.type == "tensor(float16)"
        return small.transpose(2, 0, 1)[None].astype(np.float16 if half else np.float32)


class StoredMattes:
    """A folder of mattes (grey, or cutouts with an alpha channel) named like the photos."""

    def __init__(self, folder: Path) -> None:
        self.name = folder.name
        self._files = Named(folder)
        if not self._files:
            raise ValueError("%s: no mattes in this folder" % folder)

    def alpha(self, rgb: np.ndarray, key: Path) -> np.ndarray:
        path = self._files.get(key)
        if path is None:
            raise ValueError("%s: no matte of this name among %s" % (key, self.name))
        return read_alpha(path)


def _multiple_of_32(length: float) -> int:
    return max(32, int(length) // 32 * 32)
