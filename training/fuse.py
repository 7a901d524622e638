"""Fine alphas out of coarse annotations: the human mask says *what*, teachers say *how softly*.

    python -m training.fuse DATA FUSED [--sheet sheet.png]

Around the edge of the human mask lies a band that holds nearly all hair. Outside the band the mask
is right, 0 or 1. Inside it the alpha is that of the first teacher that agrees with the mask on
both sides of the band nearby. Where none agrees, the edge of the mask is only a guess, and the
matte learns little from it. Where every teacher finds a person beside the band and the mask finds
none, or (with two teachers) the other way round, something is carried, cut off or labelled wrongly:
there nothing is learnt.

DATA holds images/NAME.jpg or .webp, masks/NAME.png (1 bit) and, for at least one teacher,
teacher/NAME.png or rvm/NAME.webp (8 bit). FUSED receives alpha/NAME.png, weight/NAME.png (255 sure,
GUESS, 0 unknown), foreground/NAME.jpg (colours free of the background) and fused.json: what
`training.data` has to know about each photo.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from bshm.matting import edge_colours
from training.split import held_out

TEACHERS = {"teacher": ".png", "rvm": ".webp"}  # folder: ending
# Which teacher's edge is preferred: the first is better on whole street figures and bags, the
# second on portraits, big hair and everything else.
ORDER = {"ccp": ("teacher", "rvm")}
OTHERS_ORDER = ("rvm", "teacher")
# Half-width of the band as a share of the square root of the person's area.
BAND = {"eg": 0.031, "mix": 0.025, "ccp": 0.022, "sup": 0.026}  # by names up to the first dash
OTHERS_BAND = 0.026
# The same, of the frame's area, at most: 10 to 20 pixels of a 600 × 800 portrait.
WIDEST = 0.022
AGREE = 0.12  # mean teacher error beside the band, below which the teacher is trusted there
COARSE = 0.35  # share of the band in disagreement above which a photo stays coarse
# Exponent of a teacher's alpha that brings its edge onto the photo's own, where colour changes most
# across the contour: both lay 0.2 to 0.3 pixels outside.
EDGE = {"teacher": 1.25, "rvm": 1.2}
GUESS = 77  # of 255: weight of the loss where the alpha is the mask's blurred edge
# Mean alpha of a spot that the teacher, against the mask, takes for a person; less is a haze.
CONVINCED = 0.8


def disk(radius: int) -> np.ndarray:
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))


def trimap(mask: np.ndarray, radius: int) -> np.ndarray:
    """Band around the mask's edge: float32 [H, W] of 0, 0.5 and 1.

    The photo's own border is no edge: a person cut by the frame stays solid there.
    """
    depth = cv2.distanceTransform(mask, cv2.DIST_L2, 5)
    away = cv2.distanceTransform(1 - mask, cv2.DIST_L2, 5)
    return ((depth > radius).astype(np.float32) + (away <= radius).astype(np.float32)) / 2


def trust(teacher: np.ndarray, mask: np.ndarray, ring: np.ndarray, radius: int) -> np.ndarray:
    """Where the teacher agrees with the mask beside the band: float32 [H, W], 1 = agrees.

    Judged on ``ring``, just inside and just outside the band, averaged over a window that spans
    the band, so that a lost shirt is noticed and a soft curl is not.
    """
    window = (8 * radius + 1,) * 2
    error = cv2.blur(np.abs(teacher - mask) * ring, window) / (cv2.blur(ring, window) + 1e-6)
    return cv2.blur((error < AGREE).astype(np.float32), (2 * radius + 1,) * 2)


def radius_of(mask: np.ndarray, kind: str) -> int:
    """Half-width of the band in pixels."""
    person = BAND.get(kind, OTHERS_BAND) * np.sqrt(float(mask.sum()))
    return max(2, round(min(person, WIDEST * np.sqrt(mask.size))))


def fuse(
    mask: np.ndarray, teachers: dict[str, np.ndarray], kind: str
) -> tuple[np.ndarray, np.ndarray, float]:
    """Fuse one photo: mask uint8 0/1, teachers float32 0–1, all [H, W], the preferred one first.

    Returns alpha and weight, float32 [H, W] in 0–1, and the share of the band that no teacher
    agreed on.
    """
    radius = radius_of(mask, kind)
    tri = trimap(mask, radius)
    inside = tri == 0.5
    ring = (~inside & (trimap(mask, 3 * radius) == 0.5)).astype(np.float32)
    soft, doubt = np.zeros(mask.shape, np.float32), np.ones(mask.shape, np.float32)
    for name, teacher in teachers.items():
        agree = trust(teacher, mask, ring, radius) * doubt
        soft += agree * teacher ** EDGE[name]
        doubt -= agree
    soft += doubt * cv2.GaussianBlur(mask.astype(np.float32), (0, 0), radius / 4)
    alpha = np.where(inside, soft, tri).clip(0, 1)
    weight = np.where(inside, 1 - doubt * (1 - GUESS / 255), 1).astype(np.float32)
    weight[contradicted(tri, list(teachers.values()))] = 0
    return alpha, weight, float(doubt[inside].mean()) if inside.any() else 0.0


def contradicted(tri: np.ndarray, teachers: list[np.ndarray]) -> np.ndarray:
    """Where all teachers contradict the mask over an area that touches the band: bool [H, W].

    A single teacher is not asked what of the mask is no person: it loses limbs too often.
    """
    unknown = beside(tri, teachers)
    if len(teachers) > 1:
        most = np.maximum.reduce(teachers)
        unknown |= _convinced((most < 0.5) & (tri == 1), 1 - most, tri)
    # The rim between such an area and the band is as unknown as the area.
    return cv2.dilate(unknown.astype(np.uint8), disk(3)).astype(bool)


def beside(tri: np.ndarray, mattes: list[np.ndarray]) -> np.ndarray:
    """Where all mattes hold something beside the person that touches the band: bool [H, W]."""
    least = np.minimum.reduce(mattes)
    return _convinced((least > 0.5) & (tri == 0), least, tri)


def _convinced(spots: np.ndarray, certainty: np.ndarray, tri: np.ndarray) -> np.ndarray:
    """Those of the spots that touch the band and whose mean certainty is high: bool [H, W]."""
    touching = cv2.dilate((tri == 0.5).astype(np.uint8), np.ones((3, 3), np.uint8))
    count, labels = cv2.connectedComponents(spots.astype(np.uint8))
    flat = labels.ravel()
    area = np.bincount(flat, minlength=count)
    mean = np.bincount(flat, certainty.ravel(), count) / np.maximum(area, 1)
    touches = np.bincount(flat, touching.ravel(), count) > 0
    chosen = (mean > CONVINCED) & touches
    chosen[0] = False
    return chosen[labels]


def photos_of(data: Path) -> list[Path]:
    return sorted(p for p in (data / "images").iterdir() if p.suffix in (".jpg", ".webp"))


def read_mask(data: Path, name: str) -> np.ndarray:
    """A photo's human mask: uint8 [H, W] of 0 and 1."""
    return (cv2.imread(str(data / "masks" / f"{name}.png"), 0) > 127).astype(np.uint8)


def read_teachers(data: Path, name: str) -> dict[str, np.ndarray]:
    """The mattes there are for a photo, float32 [H, W] in 0–1, the preferred one first."""
    found = {}
    for folder in ORDER.get(name.split("-")[0], OTHERS_ORDER):
        path = data / folder / (name + TEACHERS[folder])
        if path.exists():
            alpha = cv2.imread(str(path), 0).astype(np.float32)
            found[folder] = np.clip((alpha - 10) / 235, 0, 1)
    return found


def fuse_file(photo: Path, data: Path, out: Path) -> dict[str, object]:
    """Fuse one photo into FUSED; returns its record for fused.json."""
    cv2.setNumThreads(1)
    name, kind = photo.stem, photo.stem.split("-")[0]
    rgb = cv2.imread(str(photo))[:, :, ::-1]
    mask = read_mask(data, name)
    alpha, weight, doubt = fuse(mask, read_teachers(data, name), kind)
    for folder, plane in ("alpha", alpha), ("weight", weight):
        cv2.imwrite(str(out / folder / f"{name}.png"), np.round(plane * 255).astype(np.uint8))
    front = edge_colours.estimate(np.ascontiguousarray(rgb), alpha)
    quality = [cv2.IMWRITE_JPEG_QUALITY, 92]
    cv2.imwrite(str(out / "foreground" / f"{name}.jpg"), front[:, :, ::-1], quality)
    soft = ((alpha > 0.05) & (alpha < 0.95) & (weight > 0.9)).sum()
    return {
        "coarse": doubt > COARSE,
        # Width of the soft edge as a share of the person's size: long and curly hair has most.
        "softness": round(float(soft / max(1.0, alpha.sum())), 4),
    }


def contact_sheet(names: list[str], data: Path, out: Path, path: Path, height: int = 200) -> None:
    """A row each: photo, human mask, teachers, fused alpha (unknown in red), cutout on green."""

    def grey(file: Path, like: np.ndarray) -> np.ndarray:
        return cv2.imread(str(file)) if file.exists() else np.full_like(like, 90)

    rows = []
    for name in names:
        photo = cv2.imread(str(next((data / "images").glob(name + ".*"))))
        alpha = cv2.imread(str(out / "alpha" / f"{name}.png"))
        weight = cv2.imread(str(out / "weight" / f"{name}.png"), 0)
        front = cv2.imread(str(out / "foreground" / f"{name}.jpg"))
        mask = cv2.imread(str(data / "masks" / f"{name}.png"))
        mattes = [grey(data / folder / (name + TEACHERS[folder]), photo) for folder in TEACHERS]
        green = np.full_like(photo, (60, 200, 40))
        cut = (front * (alpha / 255.0) + green * (1 - alpha / 255.0)).astype(np.uint8)
        shown = alpha.copy()
        shown[weight == 0] = (0, 0, 255)
        shown[(weight > 0) & (weight < 200)] = (255, 120, 0)
        row = [cv2.resize(x, (height, height)) for x in (photo, mask, *mattes, shown, cut)]
        rows.append(np.hstack(row))
    half = (len(rows) + 1) // 2
    rows += [np.zeros_like(rows[0])] * (2 * half - len(rows))
    cv2.imwrite(str(path), np.hstack([np.vstack(rows[:half]), np.vstack(rows[half:])]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("fused", type=Path)
    parser.add_argument("--sheet", type=Path, help="write a contact sheet of 30 photos a kind: "
                        "KIND is put before the file's name")  # fmt: skip
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--limit", type=int, help="only the first N photos of each kind")
    args = parser.parse_args()
    photos = photos_of(args.data)
    kinds: dict[str, list[Path]] = {}
    for photo in photos:
        kinds.setdefault(photo.stem.split("-")[0], []).append(photo)
    if args.limit:
        kinds = {kind: members[: args.limit] for kind, members in kinds.items()}
        photos = [photo for members in kinds.values() for photo in members]
    for folder in ("alpha", "weight", "foreground"):
        (args.fused / folder).mkdir(parents=True, exist_ok=True)
    with multiprocessing.Pool(args.jobs) as pool:
        work = partial(fuse_file, data=args.data, out=args.fused)
        records = pool.map(work, photos, chunksize=8)
    validation = held_out(photos)
    fused = {
        photo.stem: {**record, "validation": photo.stem in validation}
        for photo, record in zip(photos, records)
    }
    (args.fused / "fused.json").write_text(json.dumps(fused, indent=0))
    coarse = sum(bool(record["coarse"]) for record in records)
    print(f"{len(photos)} photos: {len(photos) - coarse} fine, {coarse} coarse, "
          f"{len(validation)} held out")  # fmt: skip
    if args.sheet:
        for kind, members in kinds.items():
            names = [photo.stem for photo in members[:: max(1, len(members) // 30)][:30]]
            path = args.sheet.with_name(f"{kind}-{args.sheet.name}")
            contact_sheet(names, args.data, args.fused, path)


if __name__ == "__main__":
    main()
