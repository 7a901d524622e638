"""The table of how much a matte changes when nothing about the person does."""

from __future__ import annotations

import sys

import numpy as np
import pytest

if sys.version_info < (3, 10):
    pytest.skip("benchmarks/ are for Python 3.10 and newer", allow_module_level=True)

from benchmarks import stability


class Redness:
    """A tool whose matte is one channel: it moves with the photo and depends on its light."""

    name = "redness"

    def alpha(self, rgb, key):
        return rgb[..., 0] / np.float32(255)


def test_a_tool_that_follows_the_photo_is_steady_under_shifts_alone():
    photo = np.random.default_rng(0).integers(0, 200, (64, 80, 3)).astype(np.uint8)
    found = stability.measure(Redness(), [photo])
    assert found["3 px shift"] == 0
    assert found["brightened 12 %"] == pytest.approx(0.12 * photo[..., 0].mean() / 255, rel=0.1)
    assert found["JPEG 55"] > 0.01
