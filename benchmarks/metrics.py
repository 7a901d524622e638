"""Error measures for alpha mattes: small pure functions on arrays.

Every function takes a predicted and a true alpha, float32 ``[H, W]`` in 0..1, and measures the
whole image, without a trimap: a matte made without one is wrong wherever it is wrong.

Sources
    Shen et al., "Automatic Portrait Segmentation for Image Stylization", 2016 (EG1800, mean IoU).
    Rhemann et al., "A Perceptually Motivated Online Benchmark for Image Matting", CVPR 2009
    (SAD, MSE, Grad, Conn; alphamatting.com), with the scales of the evaluation code published with
    Xu et al., "Deep Image Matting", CVPR 2017: SAD, Grad and Conn in thousands.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np

THRESHOLD = 0.5
GRAD_SIGMA = 1.4
CONN_STEP = 0.1
CONN_THETA = 0.15


class Counts(NamedTuple):
    """Pixels of one photo, or of a set when added up, by predicted and true class."""

    both: int = 0
    only_predicted: int = 0
    only_true: int = 0
    neither: int = 0

    def plus(self, other: Counts) -> Counts:
        """The counts of both sets of pixels together."""
        return Counts(*(a + b for a, b in zip(self, other)))


def count(predicted: np.ndarray, true: np.ndarray) -> Counts:
    """Count the pixels of one photo; a pixel is foreground where alpha > 0.5."""
    _check(predicted, true)
    p, t = predicted > THRESHOLD, true > THRESHOLD
    both = int(np.count_nonzero(p & t))
    only_predicted = int(np.count_nonzero(p)) - both
    only_true = int(np.count_nonzero(t)) - both
    return Counts(both, only_predicted, only_true, p.size - both - only_predicted - only_true)


def foreground_iou(counts: Counts) -> float:
    """Intersection over union of the foreground; 1 where neither side has any."""
    return _ratio(counts.both, counts.both + counts.only_predicted + counts.only_true)


def mean_iou(counts: Counts) -> float:
    """Mean of the foreground's and the background's IoU.

    Counts are summed over all pixels of the set first, as the EG1800 literature does
    (PortraitNet, SINet): large photos weigh more, and no photo's empty class distorts the mean.
    """
    background = _ratio(counts.neither, counts.neither + counts.only_predicted + counts.only_true)
    return (foreground_iou(counts) + background) / 2


def mad(predicted: np.ndarray, true: np.ndarray) -> float:
    """Mean absolute difference, 0..1."""
    _check(predicted, true)
    return float(np.mean(np.abs(predicted - true), dtype=np.float64))


def mse(predicted: np.ndarray, true: np.ndarray) -> float:
    """Mean squared error, 0..1."""
    _check(predicted, true)
    return float(np.mean(np.square(predicted - true), dtype=np.float64))


def sad(predicted: np.ndarray, true: np.ndarray) -> float:
    """Sum of absolute differences, in thousands of pixels."""
    _check(predicted, true)
    return float(np.sum(np.abs(predicted - true), dtype=np.float64)) / 1000


def grad(predicted: np.ndarray, true: np.ndarray) -> float:
    """Gradient error (Rhemann et al. 2009), in thousands.

    ``sum (|grad p| - |grad t|)^2 / 1000``, gradients by first-order Gaussian derivative filters
    with sigma 1.4, each filter normalised to unit L2 norm, edges replicated. The published code
    first stretches both mattes to 0..1; this one takes them as they are, which is the same for
    every matte that has both a solid and a clear pixel.
    """
    _check(predicted, true)
    difference = _gradient_magnitude(predicted) - _gradient_magnitude(true)
    return float(np.sum(np.square(difference), dtype=np.float64)) / 1000


def conn(predicted: np.ndarray, true: np.ndarray) -> float:
    """Connectivity error (Rhemann et al. 2009), in thousands.

    For each pixel, ``l`` is the last threshold (rising in steps of 0.1) before it leaves the
    largest 4-connected region in which both mattes reach the threshold. ``phi(a) = 1 - d`` if
    ``d = a - l`` is at least theta = 0.15, else 1; the error is ``sum |phi(p) - phi(t)| / 1000``.
    """
    _check(predicted, true)
    steps = round(1 / CONN_STEP)
    level = np.ones(predicted.shape, np.float32)
    connected = np.ones(predicted.shape, bool)
    lower = np.minimum(predicted, true)
    for i in range(1, steps + 1):
        region = _largest_region(lower >= np.float32(i / steps))
        level[connected & ~region] = (i - 1) / steps
        connected &= region
    difference = np.abs(_phi(predicted, level) - _phi(true, level))
    return float(np.sum(difference, dtype=np.float64)) / 1000


def _check(predicted: np.ndarray, true: np.ndarray) -> None:
    if predicted.ndim != 2 or predicted.shape != true.shape:
        raise ValueError(
            "expected two alphas [H, W] of one size, got %s and %s" % (predicted.shape, true.shape)
        )
    if predicted.dtype.kind != "f" or true.dtype.kind != "f":
        raise ValueError(
            "expected alphas as floats in 0..1, got %s and %s" % (predicted.dtype, true.dtype)
        )


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else 1.0


def _gradient_magnitude(alpha: np.ndarray) -> np.ndarray:
    smooth, derivative = _gaussian_filters(GRAD_SIGMA)
    alpha = alpha.astype(np.float32, copy=False)
    border = cv2.BORDER_REPLICATE
    along_x = cv2.sepFilter2D(alpha, cv2.CV_32F, derivative, smooth, borderType=border)
    along_y = cv2.sepFilter2D(alpha, cv2.CV_32F, smooth, derivative, borderType=border)
    return np.hypot(along_x, along_y)


def _gaussian_filters(sigma: float) -> tuple[np.ndarray, np.ndarray]:
    """The Gaussian and its derivative, cut where the Gaussian falls under 0.01, unit L2 norm."""
    reach = math.ceil(sigma * math.sqrt(-2 * math.log(math.sqrt(2 * math.pi) * sigma * 0.01)))
    x = np.arange(-reach, reach + 1, dtype=np.float64)
    smooth = np.exp(-(x**2) / (2 * sigma**2))
    derivative = -x * smooth
    # The 2-D filter is the outer product of the two, so its norm is the product of theirs.
    return smooth / np.linalg.norm(smooth), derivative / np.linalg.norm(derivative)


def _largest_region(mask: np.ndarray) -> np.ndarray:
    """The largest 4-connected region of a mask; all False where the mask is empty."""
    labels_count, labels, stats, _ = cv2.connectedComponentsWithStats(
        mask.astype(np.uint8), connectivity=4
    )
    if labels_count == 1:
        return np.zeros(mask.shape, bool)
    return labels == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))


def _phi(alpha: np.ndarray, level: np.ndarray) -> np.ndarray:
    distance = alpha - level
    return 1 - np.where(distance >= CONN_THETA, distance, 0)
