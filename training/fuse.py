"""Fine alphas out of coarse annotations: the human mask says *what*, a teacher says *how softly*.

    python -m training.fuse DATA FUSED [--sheet sheet.png]

Around the edge of the human mask lies a band that holds nearly all hair. Outside the band the
mask is right, 0 or 1. Inside it the teacher's soft alpha is taken wherever the teacher agrees
with the mask on both sides of the band nearby; elsewhere closed-form matting (Levin et al. 2008,
as implemented by pymatting) solves the band from the photo itself. Photos on which too little of
the band agrees stay *coarse*: their alpha is used for the mask networks and never for the matte.

DATA holds images/NAME.jpg, masks/NAME.png (1 bit), teacher/NAME.png (8 bit).
FUSED receives alpha/NAME.png, foreground/NAME.jpg (colours free of the background; Germer 2020)
and fused.json: for each photo the share of the band on which the teacher disagrees.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
from functools import partial
from pathlib import Path

import cv2
import numpy as np

# Half-width of the band as a share of sqrt(area): street photos have clean masks and small people.
BAND = {"eg": 0.022, "mix": 0.015, "ccp": 0.010}  # by what names begin with, up to a dash
OTHERS_BAND = 0.015
AGREE = 0.12  # mean teacher error beside the band, below which the teacher is trusted there
COARSE = 0.35  # share of the band in disagreement above which a photo stays coarse
# The fused edge lay 0.2 to 0.3 pixels outside the photo's own, where colour changes most across the
# contour; this exponent of alpha brings it within 0.1 to 0.2.
EDGE = 1.25
SOLVER_SIDE = 400  # closed-form matting runs at this long side: it is for a minority of the band


def disk(radius: int) -> np.ndarray:
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))


def trimap(mask: np.ndarray, radius: int) -> np.ndarray:
    """Band around the mask's edge: float32 [H, W] of 0, 0.5 and 1.

    The photo's own border is no edge: a person cut by the frame stays solid there.
    """
    sure = cv2.erode(mask, disk(radius), borderType=cv2.BORDER_REPLICATE)
    maybe = cv2.dilate(mask, disk(radius), borderType=cv2.BORDER_REPLICATE)
    return (sure.astype(np.float32) + maybe.astype(np.float32)) / 2


def trust(teacher: np.ndarray, mask: np.ndarray, radius: int) -> np.ndarray:
    """Where the teacher agrees with the mask beside the band: float32 [H, W], 1 = agrees.

    Judged on the rings just inside and just outside the band, averaged over a window that
    spans the band, so that a lost shirt is noticed and a soft curl is not.
    """
    near, far = trimap(mask, radius), trimap(mask, 3 * radius)
    ring = ((near != 0.5) & (far == 0.5)).astype(np.float32)
    window = (8 * radius + 1,) * 2
    error = cv2.blur(np.abs(teacher - mask) * ring, window) / (cv2.blur(ring, window) + 1e-6)
    return cv2.blur((error < AGREE).astype(np.float32), (2 * radius + 1,) * 2)


def closed_form(rgb: np.ndarray, tri: np.ndarray) -> np.ndarray:
    """Alpha of the trimap's band by closed-form matting at a reduced size: float32 [H, W]."""
    from pymatting import estimate_alpha_cf

    height, width = tri.shape
    scale = min(1.0, SOLVER_SIDE / max(height, width))
    size = (round(width * scale), round(height * scale))
    small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA) / 255.0
    # Any unknown pixel makes the reduced one unknown: a thin band must not close.
    reduced = cv2.resize(tri, size, interpolation=cv2.INTER_AREA)
    reduced = np.where((reduced > 0.01) & (reduced < 0.99), 0.5, np.round(reduced))
    if not ((reduced == 0).any() and (reduced == 1).any()):
        return tri
    alpha = estimate_alpha_cf(small, reduced.astype(np.float64), cg_kwargs={"maxiter": 400})
    return cv2.resize(alpha.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)


def fuse(
    rgb: np.ndarray, mask: np.ndarray, teacher: np.ndarray, band: float
) -> tuple[np.ndarray, float]:
    """Fuse one photo: rgb uint8 [H, W, 3], mask uint8 0/1, teacher float32 0–1, both [H, W].

    Returns alpha float32 [H, W] and the share of the band on which the teacher disagreed.
    """
    radius = max(3, round(band * np.sqrt(mask.size)))
    tri = trimap(mask, radius)
    inside = tri == 0.5
    if not inside.any():
        return tri, 0.0
    agree = trust(teacher, mask, radius)
    doubt = 1.0 - float(agree[inside].mean())
    soft = teacher
    if 0.02 < doubt <= COARSE:
        soft = agree * teacher + (1 - agree) * closed_form(rgb, tri)
    elif doubt > COARSE:
        soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), radius / 4)
    return np.where(inside, soft, tri).clip(0, 1) ** EDGE, doubt


def fuse_file(name: str, data: Path, out: Path) -> float:
    from pymatting import estimate_foreground_ml

    cv2.setNumThreads(1)
    rgb = cv2.imread(str(data / "images" / f"{name}.jpg"))[:, :, ::-1]
    mask = (cv2.imread(str(data / "masks" / f"{name}.png"), 0) > 127).astype(np.uint8)
    teacher = cv2.imread(str(data / "teacher" / f"{name}.png"), 0).astype(np.float32) / 255
    alpha, doubt = fuse(rgb, mask, teacher, BAND.get(name.split("-")[0], OTHERS_BAND))
    cv2.imwrite(str(out / "alpha" / f"{name}.png"), np.round(alpha * 255).astype(np.uint8))
    foreground = estimate_foreground_ml(rgb / 255.0, alpha.astype(np.float64))
    bgr = np.round(foreground[:, :, ::-1] * 255).astype(np.uint8)
    cv2.imwrite(str(out / "foreground" / f"{name}.jpg"), bgr, [cv2.IMWRITE_JPEG_QUALITY, 92])
    return doubt


def contact_sheet(names: list[str], data: Path, out: Path, path: Path, height: int = 200) -> None:
    """Photo, human mask, teacher, fused alpha and the cutout on green, a row each."""
    rows = []
    for name in names:
        photo = cv2.imread(str(data / "images" / f"{name}.jpg"))
        alpha = cv2.imread(str(out / "alpha" / f"{name}.png"))
        front = cv2.imread(str(out / "foreground" / f"{name}.jpg"))
        mask = cv2.imread(str(data / "masks" / f"{name}.png"))
        teacher = cv2.imread(str(data / "teacher" / f"{name}.png"))
        green = np.full_like(photo, (60, 200, 40))
        cut = (front * (alpha / 255.0) + green * (1 - alpha / 255.0)).astype(np.uint8)
        row = [cv2.resize(x, (height * 3 // 4, height)) for x in (photo, mask, teacher, alpha, cut)]
        rows.append(np.hstack(row))
    half = (len(rows) + 1) // 2
    rows += [np.zeros_like(rows[0])] * (2 * half - len(rows))
    cv2.imwrite(str(path), np.hstack([np.vstack(rows[:half]), np.vstack(rows[half:])]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("fused", type=Path)
    parser.add_argument("--sheet", type=Path, help="write a contact sheet of 50 photos")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--limit", type=int, help="only the first N photos of each kind")
    args = parser.parse_args()
    names = sorted(path.stem for path in (args.data / "images").glob("*.jpg"))
    if args.limit:
        kinds = {name.split("-")[0] for name in names}
        names = [
            n for k in sorted(kinds) for n in [m for m in names if m.startswith(k)][: args.limit]
        ]
    for folder in ("alpha", "foreground"):
        (args.fused / folder).mkdir(parents=True, exist_ok=True)
    with multiprocessing.Pool(args.jobs) as pool:
        work = partial(fuse_file, data=args.data, out=args.fused)
        doubts = pool.map(work, names, chunksize=8)
    record = {name: round(doubt, 4) for name, doubt in zip(names, doubts)}
    (args.fused / "fused.json").write_text(json.dumps(record, indent=0))
    coarse = sum(doubt > COARSE for doubt in doubts)
    print(f"{len(names)} photos: {len(names) - coarse} fine, {coarse} coarse")
    if args.sheet:
        step = max(1, len(names) // 50)
        contact_sheet(names[::step][:50], args.data, args.fused, args.sheet)


if __name__ == "__main__":
    main()
