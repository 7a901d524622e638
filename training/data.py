"""Training samples: packed photos, augmented as users' photos demand.

    python -m training.data DATA FUSED PACK     # once: pack everything into flat files

A sample is made at the network's own size in one warp: geometry, then (often) a new background
behind the true foreground colours, then everything a camera and a website do to a picture.
"""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator

import cv2
import numpy as np

from training.fuse import COARSE
from training.split import is_validation

PLANES = {"rgb": (0, 3), "front": (3, 3), "alpha": (6, 1), "mask": (7, 1)}  # offset, channels


class Pack:
    """Photos in one flat file, at full (level 0) and at half size (level 1), read by the plane.

    Planes, uint8: ``rgb`` and ``front`` (the foreground's colours) [H, W, 3], ``alpha`` and
    ``mask`` [H, W].
    """

    def __init__(self, folder: Path) -> None:
        self.records = json.loads((folder / "index.json").read_text())
        self.file = os.open(folder / "pixels.bin", os.O_RDONLY)

    def plane(self, index: int, name: str, level: int = 0) -> np.ndarray:
        start, height, width = self.records[index]["levels"][level]
        before, channels = PLANES[name]
        # Read, not mapped: thousands of page faults a sample cost more than the training step.
        data = os.pread(self.file, height * width * channels, start + height * width * before)
        shape = (height, width, 3) if channels == 3 else (height, width)
        return np.frombuffer(data, np.uint8).reshape(shape)

    def indices(self, validation: bool = False, fine_only: bool = False) -> list[int]:
        return [
            i
            for i, r in enumerate(self.records)
            if r["kind"] != "bg"
            and is_validation(r["name"]) == validation
            and (r["fine"] or not fine_only)
        ]

    def backgrounds(self) -> list[int]:
        return [i for i, r in enumerate(self.records) if r["kind"] == "bg"]


def write_pack(data: Path, fused: Path, folder: Path) -> None:
    doubts = json.loads((fused / "fused.json").read_text())
    folder.mkdir(parents=True, exist_ok=True)
    records, offset = [], 0
    with open(folder / "pixels.bin", "wb") as out:

        def add(name: str, kind: str, fine: bool, planes: list[np.ndarray]) -> None:
            nonlocal offset
            levels = []
            height, width = planes[0].shape[:2]
            half = (width // 2, height // 2)
            for level in range(2):
                if level == 1:
                    planes = [cv2.resize(p, half, interpolation=cv2.INTER_AREA) for p in planes]
                levels.append((offset, *planes[0].shape[:2]))
                for plane in planes:
                    out.write(np.ascontiguousarray(plane).tobytes())
                    offset += plane.size
            records.append({"name": name, "kind": kind, "fine": fine, "levels": levels})

        for name, doubt in doubts.items():
            rgb = cv2.imread(str(data / "images" / f"{name}.jpg"))[:, :, ::-1]
            front = cv2.imread(str(fused / "foreground" / f"{name}.jpg"))[:, :, ::-1]
            alpha = cv2.imread(str(fused / "alpha" / f"{name}.png"), 0)
            mask = (cv2.imread(str(data / "masks" / f"{name}.png"), 0) > 127).astype(np.uint8) * 255
            add(name, name.split("-")[0], doubt <= COARSE, [rgb, front, alpha, mask])
        for path in sorted((data / "backgrounds").glob("*.jpg")):
            rgb = cv2.imread(str(path))[:, :, ::-1]
            none = np.zeros(rgb.shape[:2], np.uint8)
            add(path.stem, "bg", False, [rgb, rgb, none, none])
    (folder / "index.json").write_text(json.dumps(records))


@dataclass
class Geometry:
    """How much of the photo a sample shows: side of the window over the photo's own."""

    zoom: tuple[float, float] = (0.45, 1.6)
    shapes: tuple[float, ...] = (3 / 4, 3 / 4, 2 / 3, 1.0, 4 / 3)  # width over height, one a batch
    rotate: float = 12.0
    aspect: float = 0.12


class Sampler:
    """Endless augmented samples from a pack, seeded.

    Yields rgb float32 [3, h, w] in 0-255, alpha float32 [1, h, w] in 0-1, weight float32
    [1, h, w] (low on the uncertain edge of coarse photos) and foreground float32 [3, h, w]. Each
    ``batch`` samples in a row have one shape: whole cells of ``cell`` pixels, ``size`` squared in
    all or nearly so.
    """

    def __init__(
        self,
        pack: Pack,
        size: int,
        seed: int,
        batch: int = 1,
        cell: int = 32,
        fine_only: bool = False,
        geometry: Geometry | None = None,
        replace: float = 0.55,
    ) -> None:
        self.pack, self.size, self.batch, self.cell = pack, size, batch, cell
        self.replace = replace
        self.shape = (size, size)
        self.random = np.random.default_rng(seed)
        self.people = pack.indices(fine_only=fine_only)
        self.scenery = pack.backgrounds()
        self.geometry = geometry or Geometry()

    def __iter__(self) -> Iterator[tuple[np.ndarray, ...]]:
        for count, index in enumerate(self._endless()):
            if count % self.batch == 0:
                root = np.sqrt(self.random.choice(self.geometry.shapes))
                sides = self.size / root / self.cell, self.size * root / self.cell
                self.shape = tuple(round(float(side)) * self.cell for side in sides)
            yield self.sample(index)

    def _endless(self) -> Iterator[int]:
        while True:
            yield from self.random.permutation(self.people).tolist()

    def sample(self, index: int) -> tuple[np.ndarray, ...]:
        replace = self.random.random() < self.replace
        rgb, front, alpha, weight = self.person(index, replace)
        if replace:
            back = self.background().astype(np.float32)
            if self.random.random() < 0.12:  # somebody else, behind
                other = self.people[int(self.random.integers(len(self.people)))]
                _, front2, alpha2, weight2 = self.person(other, True)
                a2 = alpha2[..., None]
                back = front2 * a2 + back * (1 - a2)
                joint = 1 - (1 - alpha) * (1 - alpha2)
            else:
                alpha2, joint = None, alpha
            a = alpha[..., None]
            rgb = front * a + back * (1 - a)
            if alpha2 is not None:
                # Behind the first edge the second person shows: colours mix in one alpha.
                front = np.where(a > 0.5, front, front2)
                alpha, weight = joint, np.minimum(weight, weight2)
        rgb, front = self.photometry(rgb, front)
        chw = lambda x: np.ascontiguousarray(x.transpose(2, 0, 1), dtype=np.float32)  # noqa: E731
        return chw(rgb), alpha[None].astype(np.float32), weight[None], chw(front)

    def person(self, index: int, replace: bool) -> tuple[np.ndarray, ...]:
        """Warp one photo to [h, w]: rgb, front float32, alpha 0-1, weight of the loss."""
        rnd, geo, (out_h, out_w) = self.random, self.geometry, self.shape
        _, height, width = self.pack.records[index]["levels"][0]
        low, high = geo.zoom
        zoom = float(np.exp(rnd.uniform(np.log(low), np.log(high))))
        if not replace:
            zoom = min(zoom, 1.0)  # nothing is known beyond the photo's border
        stretch = float(np.exp(rnd.uniform(-geo.aspect, geo.aspect))) * np.sqrt(out_w / out_h)
        side = np.sqrt(height * width) * zoom
        win_w, win_h = side * stretch, side / stretch
        if not replace:
            shrink = min(1.0, width / win_w, height / win_h)
            win_w, win_h = win_w * shrink, win_h * shrink
        free_x, free_y = width - win_w, height - win_h
        left = free_x * rnd.random()
        top = free_y * rnd.random()
        if free_x < 0 or free_y < 0:
            mask = self.pack.plane(index, "mask", 1)
            if free_y < 0 and mask[-2:].max() > 0:
                top = free_y  # a body cut by the frame stays cut by the frame
            if free_x < 0 and mask[:, :2].max() > 0:
                left = 0.0
            elif free_x < 0 and mask[:, -2:].max() > 0:
                left = free_x
        level = 1 if win_w > 1.4 * out_w else 0
        unit = 0.5**level
        angle = np.deg2rad(rnd.normal(0, geo.rotate / 2)) if rnd.random() < 0.5 else 0.0
        flip = -1.0 if rnd.random() < 0.5 else 1.0
        cos, sin = np.cos(angle), np.sin(angle)
        sx, sy = out_w / win_w / unit, out_h / win_h / unit
        centre = np.array([left + win_w / 2, top + win_h / 2]) * unit
        linear = np.array([[flip * cos * sx, -flip * sin * sx], [sin * sy, cos * sy]])
        shift = np.array([out_w / 2, out_h / 2]) - linear @ centre
        warp = np.hstack([linear, shift[:, None]]).astype(np.float32)
        solid = cv2.BORDER_REPLICATE
        alpha = (
            cv2.warpAffine(
                self.pack.plane(index, "alpha", level),
                warp,
                (out_w, out_h),
                borderMode=cv2.BORDER_CONSTANT if replace else solid,
            ).astype(np.float32)
            / 255
        )
        rgb = self.pack.plane(index, "front" if replace else "rgb", level)
        rgb = front = cv2.warpAffine(rgb, warp, (out_w, out_h), borderMode=solid)
        weight = np.ones_like(alpha)
        if not self.pack.records[index]["fine"]:
            weight[(alpha > 0.02) & (alpha < 0.98)] = 0.3
        return rgb.astype(np.float32), front.astype(np.float32), alpha, weight

    def background(self) -> np.ndarray:
        """A new background: scenery, a studio's gradient, or the scenery out of focus."""
        rnd, (out_h, out_w) = self.random, self.shape
        if rnd.random() < 0.15:
            corners = rnd.uniform(0, 255, (2, 2, 3)) * rnd.uniform(0.2, 1)
            if rnd.random() < 0.6:
                corners = corners.mean(2, keepdims=True).repeat(3, 2)
            return cv2.resize(corners.astype(np.float32), (out_w, out_h))
        scene = self.pack.plane(self.scenery[int(rnd.integers(len(self.scenery)))], "rgb")
        height, width = scene.shape[:2]
        unit = min(height / out_h, width / out_w) * rnd.uniform(0.35, 1.0)  # its pixels a pixel
        win_h, win_w = int(out_h * unit), int(out_w * unit)
        top, left = rnd.integers(height - win_h + 1), rnd.integers(width - win_w + 1)
        crop = np.ascontiguousarray(scene[top : top + win_h, left : left + win_w])
        shrink = cv2.INTER_AREA if unit > 1 else cv2.INTER_LINEAR
        crop = cv2.resize(crop, (out_w, out_h), interpolation=shrink)
        if rnd.random() < 0.5:
            crop = crop[:, ::-1]
        if rnd.random() < 0.35:
            sigma = rnd.uniform(1, self.size / 40)
            crop = cv2.GaussianBlur(np.ascontiguousarray(crop), (0, 0), sigma)
        gain = rnd.uniform(0.6, 1.3, 3) if rnd.random() < 0.4 else rnd.uniform(0.7, 1.2)
        return np.clip(crop * gain, 0, 255)

    def photometry(self, rgb: np.ndarray, front: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Light and colour change photo and foreground alike; blur, noise and JPEG the photo."""
        rnd, chance = self.random, self.random.random
        both = np.stack([rgb, front]).astype(np.float32)
        if chance() < 0.8:
            gain, bias = rnd.uniform(0.7, 1.3), np.float32(rnd.uniform(-25, 25))
            cast = rnd.uniform(0.88, 1.12, 3) if chance() < 0.5 else np.ones(3)
            both = (both * (gain * cast).astype(np.float32) + bias).clip(0, 255)
        if chance() < 0.35:
            curve = 255 * np.linspace(0, 1, 256) ** np.exp(rnd.uniform(-0.5, 0.7))
            both = curve.astype(np.float32)[both.astype(np.uint8)]
        if chance() < 0.08:  # low light
            both *= np.float32(rnd.uniform(0.2, 0.5))
        if chance() < 0.4:
            keep = np.float32(0.0 if chance() < 0.25 else rnd.uniform(0.3, 1.4))
            luma = both @ np.array([0.299, 0.587, 0.114], np.float32)
            both = (keep * both + (1 - keep) * luma[..., None]).clip(0, 255)
        rgb, front = both
        if chance() < 0.12:
            rgb = cv2.GaussianBlur(rgb, (0, 0), rnd.uniform(0.4, 1.5))
        if chance() < 0.25:
            sigma = np.float32(rnd.uniform(1, 12))
            rgb = rgb + sigma * rnd.standard_normal(rgb.shape, np.float32)
        rgb = rgb.clip(0, 255)
        if chance() < 0.3:
            quality = [cv2.IMWRITE_JPEG_QUALITY, int(rnd.integers(25, 90))]
            rgb = cv2.imdecode(cv2.imencode(".jpg", rgb.astype(np.uint8), quality)[1], 1).astype(
                np.float32
            )
        return rgb, front


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    for name in ("data", "fused", "pack"):
        parser.add_argument(name, type=Path)
    args = parser.parse_args()
    write_pack(args.data, args.fused, args.pack)


if __name__ == "__main__":
    main()
