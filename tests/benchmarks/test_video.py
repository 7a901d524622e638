"""The measures of films, on films whose answer is known, and the clips' exact alpha."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

pytest.importorskip("av")

from benchmarks import clips, video
from tests.helpers import PORTRAITS


def disc(number, size=(96, 128)):
    alpha = np.zeros(size, np.float32)
    cv2.circle(alpha, (round(40 + 3 * number), 48), 25, 1.0, -1, cv2.LINE_AA)
    return cv2.GaussianBlur(alpha, (0, 0), 2)


def test_dtssd_of_known_changes():
    true = [np.zeros((4, 4), np.float32)] * 3
    mattes = [true[0], true[0] + 0.5, true[0] + 0.5]
    assert video.dtssd(true, true) == 0
    assert video.dtssd(mattes, true) == pytest.approx(0.25)  # half a step up, then none
    assert video.dtssd([matte + 0.2 for matte in true], true) == 0  # a steady error is steady


def test_messddt_follows_the_motion():
    """An error that moves with the person is steady; one that comes and goes is not."""
    true = [disc(number) for number in range(4)]
    moving = [alpha * 0.8 for alpha in true]
    wavering = [alpha * (0.8 if number % 2 else 1.0) for number, alpha in enumerate(true)]
    assert video.messddt(true, true) == 0
    assert video.messddt(moving, true) < 0.25 * video.messddt(wavering, true)


def test_flicker_needs_no_truth():
    chance = np.random.default_rng(0)
    texture = cv2.GaussianBlur(chance.integers(0, 256, (96, 200, 3)).astype(np.uint8), (0, 0), 2)
    frames = [np.ascontiguousarray(texture[:, n : n + 128]) for n in range(4)]
    still = [disc(-n / 3) for n in range(4)]
    wavering = [alpha * (0.7 if number % 2 else 1.0) for number, alpha in enumerate(still)]
    assert video.flicker(still, frames) < 0.2 * video.flicker(wavering, frames)


def test_clips_are_the_same_for_the_same_photo_and_their_alpha_fits(tmp_path):
    backdrop = np.full((200, 300, 3), (200, 60, 30), np.uint8)  # blue, as OpenCV has it
    cv2.imwrite(str(tmp_path / "b.png"), backdrop)
    matte = cv2.imread("tests/mattes/1.png", cv2.IMREAD_GRAYSCALE).astype(np.float32) / 255
    one, again = (clips.make(PORTRAITS[0], matte, tmp_path, 3, 180) for _ in range(2))
    assert [frame.shape for frame in one.frames] == [(180, 320, 3)] * 3
    assert all(np.array_equal(a, b) for a, b in zip(one.frames, again.frames))
    for frame, alpha in zip(one.frames, one.alphas):
        assert 0.1 < alpha.mean() < 0.9
        behind = frame[cv2.erode((alpha == 0).astype(np.uint8), np.ones((9, 9))) > 0]
        assert np.abs(behind.mean(axis=0) - (30, 60, 200)).max() < 12
    assert np.abs(one.alphas[0] - one.alphas[2]).max() > 0.3
