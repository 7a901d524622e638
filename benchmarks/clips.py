"""Short films with an exact alpha: people from photos, moved over panned backgrounds.

The same for the same seed. A person's colours and matte are moved together by a smooth affine path
and a smooth elastic field, so each frame's alpha is known. Several moments within the time of the
shutter are averaged (motion blur), noise is added, and H.264 at a low rate spoils the frames as it
spoils any film from a phone or a call.
"""

from __future__ import annotations

import io
import math
import random
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from benchmarks.pairs import PHOTO_SUFFIXES, read_photo

SHUTTER = 0.5  # of the time from frame to frame, during which light falls in
MOMENTS = 3  # pictures that are averaged within that time
NOISE = 3.0  # levels of 255, standard deviation
CRF = "30"  # of H.264
SWAY = 0.06  # of the frame's height: how far a person moves to each side
TURN, GROW = 4.0, 0.05  # degrees, share
ELASTIC = 0.012  # of the frame's height: how far limbs move against each other
PAN = 0.12  # of the background's width: how far the camera pans


class Clip(NamedTuple):
    """name; frames: uint8 RGB [H, W, 3]; alphas: float32 [H, W], exact."""

    name: str
    frames: list[np.ndarray]
    alphas: list[np.ndarray]


def make(photo: Path, matte: np.ndarray, backgrounds: Path, count: int, height: int) -> Clip:
    """A clip of so many frames of a person, float32 matte [h, w], in a 16:9 frame."""
    from bshm.matting import edge_colours

    chance = random.Random(photo.stem)
    files = sorted(p for p in backgrounds.iterdir() if p.suffix.lower() in PHOTO_SUFFIXES)
    rgb = read_photo(photo)
    path = _Path(chance, height)
    colours = edge_colours.estimate(rgb, matte).astype(np.float32) * matte[..., None]
    layer = np.dstack([colours, matte]).astype(np.float32)
    behind = _behind(read_photo(chance.choice(files)), height)
    still = chance.random() < 0.5  # a camera on a tripod, or one that pans
    noise = np.random.default_rng(chance.randrange(2**32))
    frames, alphas = [], []
    for number in range(count):
        total = np.zeros((height, path.width, 4), np.float32)
        for moment in range(MOMENTS):
            time = (number + SHUTTER * moment / MOMENTS) / 25
            person = path.place(layer, time)
            backdrop = _pan(behind, 0.0 if still else time, path.width)
            shown = person[..., :3] + (1 - person[..., 3:]) * backdrop
            total += np.dstack([shown, person[..., 3]])
        total /= MOMENTS
        noisy = total[..., :3] + noise.normal(0, NOISE, (*total.shape[:2], 3))
        frames.append(np.clip(noisy, 0, 255).round().astype(np.uint8))
        alphas.append(np.clip(total[..., 3], 0, 1))
    return Clip(photo.stem, compress(frames, CRF), alphas)


def still(photo: Path, count: int, height: int) -> list[np.ndarray]:
    """A photo, shown so many times with noise and compression: its matte must not change."""
    rgb = read_photo(photo)
    width = round(rgb.shape[1] * height / rgb.shape[0]) // 2 * 2
    rgb = cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA)
    noise = np.random.default_rng(0)
    noisy = (rgb + noise.normal(0, NOISE, rgb.shape) for _ in range(count))
    return compress([np.clip(frame, 0, 255).round().astype(np.uint8) for frame in noisy], CRF)


def compress(frames: list[np.ndarray], crf: str) -> list[np.ndarray]:
    """What H.264 leaves of frames of even size."""
    import av

    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as out:
        stream = out.add_stream("libx264", rate=25, options={"crf": crf, "preset": "veryfast"})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for rgb in frames:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")))
        out.mux(stream.encode(None))
    file.seek(0)
    with av.open(file) as film:
        return [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]


class _Path:
    """How a person moves: sums of two slow waves for each number of an affine map, and a field."""

    def __init__(self, chance: random.Random, height: int) -> None:
        self.height, self.width = height, height * 16 // 9 // 2 * 2
        self._waves = [
            [(chance.uniform(0.2, 0.9), chance.uniform(0, math.tau)) for _ in range(2)]
            for _ in range(6)
        ]
        noise = np.random.default_rng(chance.randrange(2**32))
        fields = noise.normal(size=(2, 2, 5, 8)).astype(np.float32)
        self._fields = [
            [cv2.resize(f, (self.width, height), interpolation=cv2.INTER_CUBIC) for f in pair]
            for pair in fields
        ]

    def _wave(self, number: int, time: float) -> float:
        return sum(math.sin(math.tau * rate * time + at) for rate, at in self._waves[number]) / 2

    def place(self, layer: np.ndarray, time: float) -> np.ndarray:
        """The layer [h, w, 4] in the frame at a time in seconds."""
        height, width = self.height, self.width
        scale = 0.95 * height / layer.shape[0] * (1 + GROW * self._wave(0, time))
        turn = cv2.getRotationMatrix2D(
            (layer.shape[1] / 2, layer.shape[0]), TURN * self._wave(1, time), scale
        )
        turn[0, 2] += width / 2 - layer.shape[1] / 2 + SWAY * height * self._wave(2, time)
        turn[1, 2] += height * 1.02 - layer.shape[0] + SWAY / 3 * height * self._wave(3, time)
        x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
        reach = ELASTIC * height
        x += reach * sum(f * self._wave(4 + i, time) for i, f in enumerate(self._fields[0]))
        y += reach * sum(f * self._wave(4 + i, time) for i, f in enumerate(self._fields[1]))
        back = cv2.invertAffineTransform(turn).astype(np.float32)
        source_x = back[0, 0] * x + back[0, 1] * y + back[0, 2]
        source_y = back[1, 0] * x + back[1, 1] * y + back[1, 2]
        shrink = scale < 1
        if shrink:  # remap samples points: blur what would alias
            layer = cv2.GaussianBlur(layer, (0, 0), 0.4 / scale)
        # The person goes on below the frame: photos end at the chest.
        source_y = np.minimum(source_y, layer.shape[0] - 1)
        return cv2.remap(layer, source_x, source_y, cv2.INTER_LINEAR)


def _behind(rgb: np.ndarray, height: int) -> np.ndarray:
    width = round(height * 16 / 9 * (1 + PAN))
    scale = max(height / rgb.shape[0], width / rgb.shape[1])
    size = max(width, round(rgb.shape[1] * scale)), max(height, round(rgb.shape[0] * scale))
    rgb = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    return rgb[:height, :width].astype(np.float32)


def _pan(behind: np.ndarray, time: float, width: int) -> np.ndarray:
    left = (behind.shape[1] - width) / 2 * (1 + math.sin(0.8 * time))
    move = np.array([[1, 0, -left], [0, 1, 0]], np.float32)
    return cv2.warpAffine(behind, move, (width, behind.shape[0]), borderMode=cv2.BORDER_REPLICATE)
