"""Photo in, matte or cutout out: the object that loads weights once and is called many times."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from bshm import engines, foreground, refine, weights
from bshm.timing import Timings

if TYPE_CHECKING:
    from bshm.engines.onnx import OnnxEngine
    from bshm.engines.tensorflow import TensorFlowEngine

# The networks halve a photo six times, so they see whole cells of 64 × 64; 112 of them make
# 896 × 512 of a 16:9 photo and 576 × 768 of a 3:4 portrait.
CELL = 64
MAX_CELLS = 112

SMALL = 0.3  # a group of people under this share of the frame is looked at again, closer
MARGIN = 0.25  # of the group's own size, added on each side
MAX_CROPS = 4
PERSON = 0.0005  # a spot under this share of the frame is nobody


class Box(NamedTuple):
    """A window in pixels: [top:bottom, left:right]."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def area(self) -> int:
        return (self.bottom - self.top) * (self.right - self.left)

    def overlaps(self, other: Box) -> bool:
        return (
            self.top < other.bottom
            and other.top < self.bottom
            and self.left < other.right
            and other.left < self.right
        )

    def join(self, other: Box) -> Box:
        return Box(
            min(self.top, other.top),
            max(self.bottom, other.bottom),
            min(self.left, other.left),
            max(self.right, other.right),
        )


class Matting:
    """Cuts people out of photos. Safe to call from several threads; a context manager.

    weights: ``auto`` (the released weights if they are in the cache, else the embedded ones),
        ``bshm-lite`` (the embedded ones), a ``.onnx`` or ``.pb`` file, a model folder, or a hub id
    device: ``auto``, ``cpu``, ``cuda`` or ``tensorrt``
    engine: ``auto``, ``onnx`` or ``tensorflow``

    Raises WeightsError (missing, damaged, not runnable here) and DeviceError (a device or an
    engine that was asked for is not there). Never opens a network connection.
    """

    def __init__(
        self, *, weights: str = "auto", device: str = "auto", engine: str = "auto"
    ) -> None:
        self.weights, self._engine = _load(weights, device, engine)
        self.device: str = self._engine.device
        self.note: str = self._engine.note

    def alpha(self, rgb: np.ndarray, timings: Timings | None = None) -> np.ndarray:
        """Matte of a photo: uint8 RGB ``[H, W, 3]`` -> float32 ``[H, W]`` in 0-1.

        Milliseconds of the stages are added to ``timings`` if given. Raises ValueError for
        arrays of another shape or type.
        """
        _check(rgb)
        timings = Timings() if timings is None else timings
        with timings.measure("forward"):
            first, small = self._forward(rgb)
            boxes = find_small_people(first, rgb.shape[:2])
        with timings.measure("refine"):
            alpha = refine.upsample(first, rgb, small)
        for box in boxes:
            closer = rgb[box.top : box.bottom, box.left : box.right]
            with timings.measure("forward"):
                again, small = self._forward(closer)
            with timings.measure("refine"):
                _blend(alpha, refine.upsample(again, closer, small), box)
        return alpha

    def cutout(self, rgb: np.ndarray, timings: Timings | None = None) -> np.ndarray:
        """Cutout of a photo: uint8 RGB ``[H, W, 3]`` -> uint8 RGBA ``[H, W, 4]``.

        Straight alpha; colours at the edge are estimated free of the old background, and where
        alpha is 0 they are 0. Takes and raises the same as :meth:`alpha`.
        """
        timings = Timings() if timings is None else timings
        alpha = self.alpha(rgb, timings)
        with timings.measure("foreground"):
            return foreground.cutout(rgb, alpha)

    def _forward(self, rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Alpha at the working size of a photo or of a part of one, and what the network saw."""
        height, width = working_size(rgb.shape[0], rgb.shape[1])
        shrinks = height * width < rgb.shape[0] * rgb.shape[1]
        way = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        small = cv2.resize(rgb, (width, height), interpolation=way)
        return self._engine.alpha(small), small

    def close(self) -> None:
        """Free the engine's memory; the object cannot be used afterwards."""
        self._engine.close()

    def __enter__(self) -> Matting:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def working_size(height: int, width: int) -> tuple[int, int]:
    """Size at which the network sees a photo: whole cells, at most ``MAX_CELLS`` of them.

    Of all such sizes the one that keeps most pixels and least squeezes the photo.
    """

    def merit(size: tuple[int, int]) -> float:
        rows, columns = size
        squeeze = (columns * height) / (rows * width)
        return rows * columns * min(squeeze, 1 / squeeze) ** 3

    sizes = []
    for rows in range(1, MAX_CELLS + 1):
        columns = max(1, min(MAX_CELLS // rows, round(rows * width / height)))
        sizes.append((rows, columns))
    rows, columns = max(sizes, key=merit)
    return rows * CELL, columns * CELL


def find_small_people(alpha: np.ndarray, shape: tuple[int, int]) -> list[Box]:
    """Windows of a photo of ``shape`` in which people small in the frame deserve another look.

    alpha: the first look, float32 ``[h, w]``. Nobody, or people as large as the frame: no boxes.
    A photo with no more pixels than the first look saw has nothing to gain either.
    """
    height, width = shape
    if height * width <= alpha.size * 1.2:
        return []
    count, _, stats, _ = cv2.connectedComponentsWithStats((alpha > 0.5).astype(np.uint8))
    boxes: list[Box] = []
    for left, top, across, down, pixels in stats[1:count].tolist():
        if pixels < PERSON * alpha.size:
            continue
        rim = MARGIN * max(across, down)
        box = Box(
            max(0, int((top - rim) * height / alpha.shape[0])),
            min(height, int((top + down + rim) * height / alpha.shape[0]) + 1),
            max(0, int((left - rim) * width / alpha.shape[1])),
            min(width, int((left + across + rim) * width / alpha.shape[1]) + 1),
        )
        # Joining may reach further boxes: take them all in until none overlaps.
        while any(box.overlaps(other) for other in boxes):
            for other in [other for other in boxes if box.overlaps(other)]:
                boxes.remove(other)
                box = box.join(other)
        boxes.append(box)
    boxes = [box for box in boxes if box.area < SMALL * height * width]
    return sorted(boxes, key=lambda box: box.area, reverse=True)[:MAX_CROPS]


def _blend(alpha: np.ndarray, closer: np.ndarray, box: Box) -> None:
    """Put a closer look into the whole matte, in place, fading in over the window's margin."""
    height, width = closer.shape
    window = alpha[box.top : box.bottom, box.left : box.right]
    down = _fade(height, box.top > 0, box.bottom < alpha.shape[0])
    across = _fade(width, box.left > 0, box.right < alpha.shape[1])
    closer -= window
    closer *= down[:, None]
    closer *= across
    window += closer


def _fade(length: int, at_start: bool, at_end: bool) -> np.ndarray:
    """Weights float32 [length] of 1, falling to 0 at the ends that are inside the photo."""
    ramp = max(1, round(length * MARGIN / (1 + 2 * MARGIN) / 2))
    weights = np.ones(length, np.float32)
    if at_start:
        weights[:ramp] = np.linspace(0, 1, ramp, endpoint=False)
    if at_end:
        weights[length - ramp :] = np.linspace(1, 0, ramp)
    return weights


def _check(rgb: np.ndarray) -> None:
    if (
        not isinstance(rgb, np.ndarray)
        or rgb.dtype != np.uint8
        or rgb.ndim != 3
        or (rgb.shape[2] != 3 or rgb.size == 0)
    ):
        found = (
            "%s %s" % (rgb.dtype, list(rgb.shape))
            if isinstance(rgb, np.ndarray)
            else type(rgb).__name__
        )
        raise ValueError("expected an RGB photo as a uint8 array [H, W, 3], got %s" % found)


def _load(
    name: str, device: str, engine: str
) -> tuple[weights.Weights, OnnxEngine | TensorFlowEngine]:
    """Weights and the engine that runs them; frameworks are imported only when used."""
    chosen = weights.resolve(name, engines.choose(engine))
    if chosen.engine == "onnx":
        from bshm.engines.onnx import OnnxEngine

        return chosen, OnnxEngine(str(chosen.path), device)
    from bshm.engines.tensorflow import TensorFlowEngine

    return chosen, TensorFlowEngine(str(chosen.path), device)
