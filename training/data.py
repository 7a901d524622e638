"""Training samples: packed photos, augmented as users' photos demand.

    python -m training.data DATA FUSED PACK     # once: pack everything into flat files

A sample is made at the network's own size in one warp: geometry, then (often) a new background
behind the true foreground colours, then everything a camera and a website do to a picture.
Things that `training.carried` cut out are given into other people's hands, those of
`training.mistakes` stand behind them.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, NamedTuple

import cv2
import numpy as np

from training.fuse import photos_of

PLANES = {"rgb": (0, 3), "front": (3, 3), "alpha": (6, 1), "weight": (7, 1)}  # offset, channels
# How often a photo is drawn, by the set it is from: balances portraits, street and everything else.
DRAWN = {"eg": 2.2, "ccp": 1.0, "mix": 1.6, "sup": 0.8}
# The same, for the tenth of a set with the softest edges: long, curly and flying hair.
HAIRY = 2.0
# The same, for photos that the network gets wrong: as many times as often as their error is that of
# their set's median photo, within these bounds.
HARD = (0.5, 3.0)
# How often somebody is given a thing, and how often of these it is held: else it lies apart.
THINGS, HELD = 0.65, 0.9
DRAWN_THINGS = 0.5  # share of the things that are drawn; the others were cut out of photos
MISTAKEN = 0.3  # how often something stands behind that was once taken for a person
EMPTY = 0.04  # how often nobody is there at all
# Size of a thing as a share of the person's, both as square roots of areas.
THING = (0.2, 0.7)


class Pack:
    """Photos in one flat file, at full (level 0) and at half size (level 1), read by the plane.

    Planes, uint8: ``rgb`` and ``front`` (the foreground's colours) [H, W, 3], ``alpha`` and
    ``weight`` (how sure alpha is) [H, W].
    """

    def __init__(self, folder: Path) -> None:
        self.records = json.loads((folder / "index.json").read_text())
        self.file = os.open(folder / "pixels.bin", os.O_RDONLY)
        self.things = sorted((folder / "carried").glob("*.png"))
        self.mistakes = sorted((folder / "mistakes").glob("*.png"))
        hard = folder / "hard.json"  # of `training.hard`, if it has run
        self.errors: dict[str, float] = json.loads(hard.read_text()) if hard.exists() else {}

    def plane(self, index: int, name: str, level: int = 0) -> np.ndarray:
        start, height, width = self.records[index]["levels"][level]
        before, channels = PLANES[name]
        # Read, not mapped: thousands of page faults a sample cost more than the training step.
        data = os.pread(self.file, height * width * channels, start + height * width * before)
        shape = (height, width, 3) if channels == 3 else (height, width)
        return np.frombuffer(data, np.uint8).reshape(shape)

    def people(self, fine_only: bool = False, without: str = "") -> list[int]:
        """Photos to train on: all, or only those with fine alphas; none of the set ``without``."""
        return [
            index
            for index, record in enumerate(self.records)
            if record["kind"] not in ("bg", without or None)
            and not record["validation"]
            and not (fine_only and record["coarse"])
        ]

    def chances(self, people: list[int]) -> np.ndarray:
        """How often each of these photos is drawn, 1 in all; see DRAWN, HAIRY and HARD."""
        records = [self.records[index] for index in people]
        kinds = np.array([record["kind"] for record in records])
        softness = np.array([record["softness"] for record in records])
        chances = np.array([DRAWN.get(kind, 1.0) for kind in kinds])
        for kind in np.unique(kinds):
            chances[(kinds == kind) & (softness >= np.quantile(softness[kinds == kind], 0.9))] *= (
                HAIRY
            )
        if self.errors:
            errors = np.array([self.errors[record["name"]] for record in records])
            for kind in np.unique(kinds):
                these = kinds == kind
                factors = np.clip(errors[these] / np.median(errors[these]), *HARD)
                chances[these] *= factors / factors.mean()  # sets stay in balance
        return chances / chances.sum()

    def backgrounds(self) -> list[int]:
        return [i for i, r in enumerate(self.records) if r["kind"] == "bg"]


def write_pack(data: Path, fused: Path, folder: Path) -> None:
    notes = json.loads((fused / "fused.json").read_text())
    folder.mkdir(parents=True, exist_ok=True)
    records, offset = [], 0
    with open(folder / "pixels.bin", "wb") as out:

        def add(planes: list[np.ndarray], **record: object) -> None:
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
            records.append({**record, "levels": levels})

        for photo in photos_of(data):
            name = photo.stem
            rgb = cv2.imread(str(photo))[:, :, ::-1]
            front = cv2.imread(str(fused / "foreground" / f"{name}.jpg"))[:, :, ::-1]
            alpha = cv2.imread(str(fused / "alpha" / f"{name}.png"), 0)
            weight = cv2.imread(str(fused / "weight" / f"{name}.png"), 0)
            box = cv2.boundingRect((alpha > 127).astype(np.uint8))
            add(
                [rgb, _spread(front, alpha), alpha, weight],
                name=name, kind=name.split("-")[0], box=box, **notes[name],
            )  # fmt: skip
        for path in sorted((data / "backgrounds").iterdir()):
            rgb = cv2.imread(str(path))[:, :, ::-1]
            none = np.zeros(rgb.shape[:2], np.uint8)
            add([rgb, rgb, none, none], name=path.stem, kind="bg")
    for cutouts in ("carried", "mistakes"):
        if (fused / cutouts).exists():
            shutil.copytree(fused / cutouts, folder / cutouts, dirs_exist_ok=True)
    (folder / "index.json").write_text(json.dumps(records))


def _spread(front: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """The foreground with its colours continued a little beyond its edge, for warps to mix."""
    seen = (alpha > 0).astype(np.float32)
    near = cv2.blur(front * seen[..., None], (9, 9)) / (cv2.blur(seen, (9, 9))[..., None] + 1e-6)
    return np.where(seen[..., None] > 0, front, near.clip(0, 255)).astype(np.uint8)


@dataclass
class Geometry:
    """How much of the photo a sample shows: side of the window over the photo's own."""

    zoom: tuple[float, float] = (0.45, 1.6)
    shapes: tuple[float, ...] = (3 / 4, 3 / 4, 2 / 3, 1.0, 4 / 3, 16 / 9)  # width over height
    rotate: float = 16.0
    aspect: float = 0.12
    # Share of the windows that are cut close around people, as the product looks closer at them.
    close: float = 0.3


class Layer(NamedTuple):
    """One photo, warped: colours and foreground float32 [h, w, 3], alpha and weight [h, w]."""

    rgb: np.ndarray
    front: np.ndarray
    alpha: np.ndarray
    weight: np.ndarray


class Sampler:
    """Endless augmented samples from a pack, seeded.

    Yields rgb float32 [3, h, w] in 0-255, alpha float32 [1, h, w] in 0-1, weight float32
    [1, h, w] (low where alpha is a guess, 0 where it is unknown) and foreground float32 [3, h, w].
    Each ``batch`` samples in a row have one shape: whole cells of ``cell`` pixels, ``size`` squared
    in all or nearly so.

    A second person stands behind in some samples. One that is as large and as sharp as the first
    belongs to the picture (positive); one that is much smaller or out of focus is a passer-by
    (negative). So it is with things: what is held belongs to the person, what lies apart does not.
    In a few samples nobody is there.
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
        without: str = "",
    ) -> None:
        self.pack, self.size, self.batch, self.cell = pack, size, batch, cell
        self.replace = replace
        self.shape = (size, size)
        self.random = np.random.default_rng(seed)
        self.people = pack.people(fine_only, without)
        self.chances = pack.chances(self.people)
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
            count = len(self.people)
            yield from self.random.choice(self.people, count, p=self.chances).tolist()

    def sample(self, index: int) -> tuple[np.ndarray, ...]:
        rnd = self.random
        if rnd.random() < EMPTY:
            layer = self._nobody()
        elif rnd.random() < self.replace:
            layer = self._composite(self.person(index, True))
        else:
            layer = self.person(index, False)
        if self.pack.things and layer.alpha.any() and rnd.random() < THINGS:
            layer = self._with_thing(layer)
        if self.pack.mistakes:
            for _ in range(rnd.choice([0, 1, 2], p=[1 - MISTAKEN, MISTAKEN * 0.7, MISTAKEN * 0.3])):
                layer = self._with_mistake(layer)
        rgb, front = self.photometry(layer.rgb, layer.front)
        alpha, weight = layer.alpha, layer.weight
        if rnd.random() < 0.04:
            self._bars(rgb, alpha, weight)
        chw = lambda x: np.ascontiguousarray(x.transpose(2, 0, 1), dtype=np.float32)  # noqa: E731
        return chw(rgb), alpha[None].astype(np.float32), weight[None], chw(front)

    def _nobody(self) -> Layer:
        """Scenery alone."""
        scene = self.background().astype(np.float32)
        none = np.zeros(self.shape, np.float32)
        return Layer(scene, scene, none, none + 1)

    def _composite(self, layer: Layer) -> Layer:
        """The person on a new background, sometimes with somebody else behind."""
        rnd = self.random
        back = self.background().astype(np.float32)
        if rnd.random() < 0.08:  # a hard flash: the person is bright, the room is dark
            back *= rnd.uniform(0.1, 0.4)
            layer = layer._replace(front=(layer.front * rnd.uniform(1.1, 1.5)).clip(0, 255))
        front, alpha, weight = layer.front, layer.alpha, layer.weight
        a = alpha[..., None]
        kind = rnd.random()
        if kind < 0.18:
            other = self.person(int(rnd.choice(self.people)), True, small=kind >= 0.1)
            a2 = other.alpha[..., None]
            back = other.front * a2 + back * (1 - a2)
        if 0.1 <= kind < 0.18:  # a passer-by, out of focus
            back = cv2.GaussianBlur(back, (0, 0), rnd.uniform(0.5, self.size / 80))
        rgb = front * a + back * (1 - a)
        if kind < 0.1:
            # Behind the first edge the second person shows: colours mix in one alpha.
            front = np.where(a > 0.5, front, other.front)
            alpha = 1 - (1 - alpha) * (1 - other.alpha)
            weight = np.minimum(weight, other.weight)
        return Layer(rgb, front, alpha, weight)

    def _with_thing(self, layer: Layer) -> Layer:
        """Something held before the body, below its upper third, or something apart from it."""
        rnd, body = self.random, layer.alpha > 0.5
        held = rnd.random() < HELD
        _, top, _, height = cv2.boundingRect(body.astype(np.uint8))
        low = top + height // 3
        rows, columns = np.nonzero(body[low:])
        if body.mean() < 0.02 or not len(rows):
            return layer
        if held:
            chosen = int(rnd.integers(len(rows)))
            centre = np.array([columns[chosen], rows[chosen] + low])
        else:
            centre = rnd.uniform(0, 1, 2) * body.shape[::-1]
        if rnd.random() < DRAWN_THINGS:
            thing = self._drawn_thing()
        else:
            thing = cv2.imread(str(rnd.choice(self.pack.things)), cv2.IMREAD_UNCHANGED)
        thing_h, thing_w = thing.shape[:2]
        scale = np.sqrt(body.sum() / (thing_h * thing_w)) * rnd.uniform(*THING)
        seen = self._laid(thing, scale, centre, 25)
        cover = seen[..., 3] / 255
        near = cv2.dilate(body.astype(np.uint8), np.ones((9, 9))) > 0
        if held != bool((near & (cover > 0.1)).any()):
            return layer
        part = cover[..., None]
        colours = (seen[..., 2::-1] * np.float32(rnd.uniform(0.7, 1.3))).clip(0, 255)
        rgb = layer.rgb * (1 - part) + colours * part
        if not held:
            return layer._replace(rgb=rgb)
        front = layer.front * (1 - part) + colours * part
        alpha = np.maximum(layer.alpha, cover)
        return Layer(rgb, front, alpha, np.maximum(layer.weight, cover))

    def _with_mistake(self, layer: Layer) -> Layer:
        """Something that was once taken for a person, behind whoever is there."""
        rnd, (height, width) = self.random, self.shape
        piece = cv2.imread(str(rnd.choice(self.pack.mistakes)), cv2.IMREAD_UNCHANGED)
        piece_h, piece_w = piece.shape[:2]
        body = layer.alpha > 0.5
        area = max(float(body.sum()), 0.05 * height * width)
        side = np.sqrt(area) * np.exp(rnd.uniform(np.log(0.25), np.log(1.1)))
        scale = side / np.sqrt(max(1.0, float((piece[..., 3] > 127).sum())))
        scale = min(scale, 0.8 * max(height, width) / max(piece_h, piece_w))
        centre = rnd.uniform(0, 1, 2) * (width, height)
        if body.any() and rnd.random() < 0.6:  # beside the person
            x, y, w, h = cv2.boundingRect(body.astype(np.uint8))
            centre = np.array([x, y]) + rnd.uniform(-0.25, 1.25, 2) * (w, h)
        seen = self._laid(piece, scale, centre, 12)
        part = seen[..., 3:] / 255 * (1 - layer.alpha[..., None])
        colours = (seen[..., 2::-1] * np.float32(rnd.uniform(0.8, 1.2))).clip(0, 255)
        weight = np.where((seen[..., 3] > 127) & (layer.alpha == 0), 1, layer.weight)
        return layer._replace(rgb=layer.rgb * (1 - part) + colours * part, weight=weight)

    def _laid(self, rgba: np.ndarray, scale: float, centre: np.ndarray, tilt: float) -> np.ndarray:
        """A cutout in the sample's frame, turned by some degrees, perhaps mirrored: float32."""
        rnd, middle = self.random, np.array(rgba.shape[1::-1]) / 2
        angle, flip = np.deg2rad(rnd.normal(0, tilt)), rnd.choice([-1, 1])
        cos, sin = np.cos(angle), np.sin(angle)
        linear = scale * np.array([[flip * cos, -sin], [flip * sin, cos]])
        shift = centre - linear @ middle
        warp = np.hstack([linear, shift[:, None]]).astype(np.float32)
        return cv2.warpAffine(rgba, warp, self.shape[::-1]).astype(np.float32)

    def _drawn_thing(self, side: int = 160) -> np.ndarray:
        """Something nobody has a photo of: uint8 RGBA [side, side].

        An ellipse, a box or between the two, plain or printed, lit from one side, with a rim and
        highlights: balls, bags, boxes, helmets.
        """
        rnd = self.random
        y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j].astype(np.float32) * 1.06
        power = float(rnd.choice([2, 2, 3, 8]))
        x, y = x / rnd.uniform(0.6, 1), y / rnd.uniform(0.6, 1)
        radius = (np.abs(x) ** power + np.abs(y) ** power) ** (1 / power)

        def colour() -> np.ndarray:
            level = rnd.choice([rnd.uniform(0, 40), rnd.uniform(60, 200), rnd.uniform(215, 255)])
            return (level + rnd.normal(0, 1, 3) * rnd.choice([4, 60])).clip(0, 255)

        seen = np.zeros((side, side, 3), np.float32) + colour().astype(np.float32)
        if rnd.random() < 0.4:
            print_ = cv2.resize(self.background().astype(np.float32), (side, side))
            seen = seen * 0.3 + print_ * 0.7
        if rnd.random() < 0.4:
            width = rnd.uniform(0.05, 0.4)
            seen[radius > 1 - width] = colour()
        toward = rnd.normal(0, 0.4, 2)
        seen *= (1 + x * toward[0] + y * toward[1]).clip(0.3, 1.7)[..., None].astype(np.float32)
        for _ in range(rnd.integers(0, 4)):
            spot = np.zeros((side, side), np.float32)
            centre = tuple(int(v) for v in rnd.uniform(0.25, 0.75, 2) * side)
            axes = tuple(int(v) for v in rnd.uniform(0.02, 0.14, 2) * side + 1)
            cv2.ellipse(spot, centre, axes, float(rnd.uniform(0, 180)), 0, 360, 1, -1)
            spot = cv2.GaussianBlur(spot, (0, 0), rnd.uniform(0.5, 6))[..., None]
            seen += spot * (np.float32(rnd.uniform(150, 255)) - seen)
        cover = ((1 - radius) * side / 3).clip(0, 1) * 255
        return np.dstack([seen.clip(0, 255), cover]).astype(np.uint8)

    def person(self, index: int, replace: bool, small: bool = False) -> Layer:
        """Warp one photo to [h, w]; ``small``: at a third of the scale, or less."""
        rnd, geo, (out_h, out_w) = self.random, self.geometry, self.shape
        record = self.pack.records[index]
        _, height, width = record["levels"][0]
        low, high = geo.zoom
        zoom = float(np.exp(rnd.uniform(np.log(low), np.log(high))))
        box_x, box_y, box_w, box_h = record["box"]
        person = np.sqrt(max(1, box_w * box_h) / (height * width))
        close = rnd.random() < geo.close and person < 0.7
        if close:
            zoom = person * float(np.exp(rnd.uniform(np.log(1.1), np.log(3.0))))
        if small:
            zoom = 3 * person * rnd.uniform(1.0, 2.0)
        if not replace:
            zoom = min(zoom, 1.0)  # nothing is known beyond the photo's border
        stretch = float(np.exp(rnd.uniform(-geo.aspect, geo.aspect))) * np.sqrt(out_w / out_h)
        side = np.sqrt(height * width) * zoom
        win_w, win_h = side * stretch, side / stretch
        if not replace:
            shrink = min(1.0, width / win_w, height / win_h)
            win_w, win_h = win_w * shrink, win_h * shrink
        free_x, free_y = width - win_w, height - win_h
        if close:  # around a point of the person's box
            left = box_x + box_w * rnd.random() - win_w * rnd.uniform(0.3, 0.7)
            top = box_y + box_h * rnd.random() - win_h * rnd.uniform(0.3, 0.7)
            left = np.clip(left, min(0, free_x), max(0, free_x))
            top = np.clip(top, min(0, free_y), max(0, free_y))
        else:
            left, top = free_x * rnd.random(), free_y * rnd.random()
        # A body cut by the frame stays cut by the frame.
        if free_y < 0 and box_y + box_h >= height - 2:
            top = free_y
        if free_x < 0 and box_x <= 2:
            left = 0.0
        elif free_x < 0 and box_x + box_w >= width - 2:
            left = free_x
        level = 1 if win_w > 1.4 * out_w else 0
        unit = 0.5**level
        angle = np.deg2rad(rnd.normal(0, geo.rotate / 2)) if rnd.random() < 0.5 else 0.0
        if rnd.random() < 0.03:  # a photo lying on its side
            angle += np.pi / 2 * rnd.choice([-1, 1])
        flip = -1.0 if rnd.random() < 0.5 else 1.0
        cos, sin = np.cos(angle), np.sin(angle)
        sx, sy = out_w / win_w / unit, out_h / win_h / unit
        centre = np.array([left + win_w / 2, top + win_h / 2]) * unit
        linear = np.array([[flip * cos * sx, -flip * sin * sx], [sin * sy, cos * sy]])
        shift = np.array([out_w / 2, out_h / 2]) - linear @ centre
        warp = np.hstack([linear, shift[:, None]]).astype(np.float32)

        def warped(name: str, border: int) -> np.ndarray:
            plane = self.pack.plane(index, name, level)
            return cv2.warpAffine(plane, warp, (out_w, out_h), borderMode=border).astype(np.float32)

        solid = cv2.BORDER_REPLICATE
        outside = cv2.BORDER_CONSTANT if replace else solid
        alpha, weight = warped("alpha", outside) / 255, warped("weight", solid) / 255
        if replace:
            # Where alpha is 0, only the new background is seen, whatever was unknown in the photo.
            weight[alpha == 0] = 1
            front = rgb = warped("front", solid)
        else:
            rgb, front = warped("rgb", solid), warped("front", solid)
        return Layer(rgb, front, alpha, weight)

    def _bars(self, rgb: np.ndarray, alpha: np.ndarray, weight: np.ndarray) -> None:
        """The bars of a screenshot or a letterbox, in place."""
        share = self.random.uniform(0.04, 0.22)
        level = self.random.choice([0, 0, 0, 16, 255])
        for plane, value in (rgb, level), (alpha, 0), (weight, 1):
            rows = plane if self.shape[0] > self.shape[1] else plane.swapaxes(0, 1)
            cut = int(share * len(rows))
            rows[:cut] = value
            rows[len(rows) - cut :] = value

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
        if chance() < 0.05:  # an old print: sepia, faded
            luma = both @ np.array([0.299, 0.587, 0.114], np.float32)
            tint = np.array([1.0, rnd.uniform(0.8, 0.95), rnd.uniform(0.6, 0.85)], np.float32)
            both = luma[..., None] * tint
            both = rnd.uniform(20, 60) + both * np.float32(rnd.uniform(0.5, 0.8))
        rgb, front = both.astype(np.float32)
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
