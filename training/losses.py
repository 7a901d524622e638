"""Losses of the three stages; masks and alphas are float [B, 1, h, w] in 0-1."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def mask_loss(logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """MPN: L1 on both channels as in the paper, cross-entropy for a fast start, and soft IoU."""
    both = torch.cat([1 - target, target], 1)
    log = F.log_softmax(logits.float(), 1)
    entropy = -(both * log).sum(1, keepdim=True)
    prob = log.exp()
    far = (prob - both).abs().mean(1, keepdim=True)
    miss = 1 - soft_iou(prob[:, 1:], target, weight)
    return ((entropy + far) * weight).mean() + 0.3 * miss.mean()


def soft_iou(mask: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """What two soft masks share of what either holds, where it is known: [B]."""
    shared = (torch.minimum(mask, target) * weight).sum((1, 2, 3))
    either = (torch.maximum(mask, target) * weight).sum((1, 2, 3))
    return (shared + 1) / (either + 1)


def unify_loss(coarse: Tensor, fine: Tensor, degraded: Tensor, accurate: Tensor) -> Tensor:
    """QUN: identity (each output stays near its input) and consistency (outputs agree).

    The identity of the degraded mask counts little, or nothing could be mended.
    """
    identity = (fine - accurate).abs().mean() + 0.1 * (coarse - degraded).abs().mean()
    return identity + (coarse - fine).abs().mean() + (coarse - accurate).abs().mean()


def gradient(x: Tensor) -> Tensor:
    return torch.cat(
        [(x[..., 1:, :-1] - x[..., :-1, :-1]), (x[..., :-1, 1:] - x[..., :-1, :-1])], 1
    )


def laplacian(x: Tensor, levels: int = 4) -> list[Tensor]:
    """Band-pass pyramid from 2×2 means."""
    bands = []
    for _ in range(levels):
        low = F.avg_pool2d(x, 2)
        bands.append(x - F.interpolate(low, scale_factor=2, mode="bilinear", align_corners=False))
        x = low
    return [*bands, x]


def matte_loss(
    alpha: Tensor, target: Tensor, colour: Tensor, front: Tensor, photo: Tensor, weight: Tensor
) -> Tensor:
    """MRN: L1 on alpha (the edge band counts three times), composition, gradient, Laplacian.

    ``colour`` is the predicted foreground, ``front`` the true one, ``photo`` what was seen, all
    [B, 3, h, w]; colours in (0-255 - 127) / 128. The composition places the predicted person on a
    flipped photo of the batch, so that wrong alpha and wrong colour both show.
    """
    alpha, colour = alpha.float(), colour.float()
    band = F.max_pool2d(((target > 0.02) & (target < 0.98)).float(), 9, 1, 4)
    importance = weight * (1 + 2 * band)
    far = ((alpha - target).abs() * importance).mean()
    scene = photo.flip(0)
    predicted = alpha * colour + (1 - alpha) * scene
    composed = ((predicted - (target * front + (1 - target) * scene)).abs() * importance).mean()
    solid = (target > 0.05).float()
    tint = ((colour - front).abs() * solid).mean()
    edges = ((gradient(alpha) - gradient(target)).abs() * weight[..., 1:, 1:]).mean()
    known = torch.where(weight > 0, target, alpha)  # no loss where the truth is unknown
    pyramid = sum(
        2**i * (a - b).abs().mean()
        for i, (a, b) in enumerate(zip(laplacian(alpha), laplacian(known)))
    )
    return far + 0.5 * composed + 0.2 * tint + edges + 0.25 * pyramid
