"""What trains the light's network sees and does what the product sees and does."""

from __future__ import annotations

import numpy as np
import pytest

from bshm.scene import light as product
from bshm.scene import match

torch = pytest.importorskip("torch")


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (3, 200, 3)).astype(np.uint8)


def test_the_same_statistics(pixels):
    from training import light

    seen = light.statistics(torch.from_numpy(pixels).float() / 255).numpy()
    for mine, each in zip(seen, pixels):
        assert np.allclose(mine, match.statistics(each), atol=1e-5)


def test_the_same_light(pixels):
    from training import light

    told = (np.array([[0.5, -0.2, 0.04, 0.1, 0.02, -0.1]], np.float32) * match.LIMITS).repeat(3, 0)
    made = light.relit(torch.from_numpy(pixels).float() / 255, torch.from_numpy(told)).numpy()
    found = product.Light(*map(float, told[0]))
    for mine, each in zip(made, pixels):
        table, matrix = product.table(found), product.saturation_matrix(found)
        lit = np.stack([table[each[:, c], c] for c in range(3)], -1) @ matrix.T
        assert np.abs(np.clip(lit, 0, 255) - 255 * mine).max() < 0.6
