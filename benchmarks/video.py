"""How steady and how exact mattes of films are.

    python -m benchmarks.video PHOTOS MATTES BACKGROUNDS --clips 8

Clips with an exact alpha are made as `benchmarks.clips` says, of photos and mattes of the same
name; real films, if named with --film, have no truth and only flicker is measured. Each is matted
frame by frame and steadily, and by every ``--peer MODULE``, a Python module with a function
``start()`` that returns one which takes the frames in order: RGB uint8 [H, W, 3] -> alpha.

MAD and MSE in thousandths, Grad in thousands (Rhemann et al. 2009). dtSSD, in hundredths, is the
mean over frames of ``sqrt(mean(((a_t - a_t-1) - (g_t - g_t-1))²))`` (Erofeev et al., BMVC 2015, at
RobustVideoMatting's scale). MESSDdt, in thousandths, follows the motion v between the true alphas:
``mean |(a_t(p) - g_t(p))² - (a_t+1(p + v) - g_t+1(p + v))²|``. Flicker, in thousandths, is
``mean |a_t - warped a_t-1|`` where the motion explains the picture.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from itertools import islice
from pathlib import Path
from typing import Any, Callable, Iterable

import cv2
import numpy as np

from benchmarks import clips, metrics
from benchmarks.pairs import Named, read_alpha

EXPLAINED = 8  # levels of 255: where the warped picture differs less, the motion explains it
COLUMNS = ("MAD", "MSE", "Grad", "dtSSD", "MESSDdt", "flicker")

Matter = Callable[[list[np.ndarray]], list[np.ndarray]]


def dtssd(alphas: list[np.ndarray], true: list[np.ndarray]) -> float:
    """Of a whole clip, in 0..1; the first frame has no change and does not count."""
    steps = zip(alphas, alphas[1:], true, true[1:])
    return float(np.mean([np.sqrt(np.mean(((b - a) - (h - g)) ** 2)) for a, b, g, h in steps]))


def messddt(alphas: list[np.ndarray], true: list[np.ndarray]) -> float:
    """Of a whole clip: how much the squared error changes along the motion of the true alpha."""
    flow, totals = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM), []
    errors = [(a - g) ** 2 for a, g in zip(alphas, true)]
    for g, h, error, following in zip(true, true[1:], errors, errors[1:]):
        motion = flow.calc(np.uint8(g * 255), np.uint8(h * 255), None)
        totals.append(np.abs(error - _moved(following, motion.round())).mean())
    return float(np.mean(totals))


def flicker(alphas: list[np.ndarray], frames: list[np.ndarray]) -> float:
    """Of a whole clip, without any truth."""
    flow, totals = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM), []
    greys = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
    for before, now, old, new in zip(greys, greys[1:], alphas, alphas[1:]):
        motion = flow.calc(now, before, None)
        explained = cv2.absdiff(now, _moved(before, motion)) < EXPLAINED
        totals.append(np.abs(new - _moved(old, motion))[explained].mean())
    return float(np.mean(totals))


def _moved(plane: np.ndarray, motion: np.ndarray) -> np.ndarray:
    rows, cols = plane.shape
    x, y = np.meshgrid(np.arange(cols, dtype=np.float32), np.arange(rows, dtype=np.float32))
    x, y = x + motion[..., 0], y + motion[..., 1]
    return cv2.remap(plane, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def measure(alphas: list[np.ndarray], clip: clips.Clip) -> dict[str, float]:
    """All that can be measured of a clip."""
    found = {"flicker": 1e3 * flicker(alphas, clip.frames)}
    if clip.alphas:
        pairs = list(zip(alphas, clip.alphas))
        found["MAD"] = 1e3 * float(np.mean([metrics.mad(*pair) for pair in pairs]))
        found["MSE"] = 1e3 * float(np.mean([metrics.mse(*pair) for pair in pairs]))
        found["Grad"] = float(np.mean([metrics.grad(*pair) for pair in pairs]))
        found["dtSSD"] = 1e2 * dtssd(alphas, clip.alphas)
        found["MESSDdt"] = 1e3 * messddt(alphas, clip.alphas)
    return found


def matters(peers: list[str]) -> Iterable[tuple[str, Matter]]:
    """Ours, frame by frame and steady, and the peers: frames of a clip -> their mattes."""
    from bshm import Matting
    from bshm.video import frames

    matting = Matting()
    yield "frame by frame", lambda clip: [one.alpha for one in frames(matting, clip, steady=False)]
    yield "steady", lambda clip: [one.alpha for one in frames(matting, clip, speed="best")]
    yield "steady, fast", lambda clip: [one.alpha for one in frames(matting, clip, speed="fast")]
    sys.path.insert(0, str(Path.cwd()))
    for peer in peers:
        module = importlib.import_module(peer)
        yield peer, lambda clip, module=module: _one_by_one(module.start(), clip)


def _one_by_one(matte: Callable[[np.ndarray], np.ndarray], clip: list[np.ndarray]) -> list:
    return [matte(frame) for frame in clip]


def _synthetic(args: argparse.Namespace) -> Iterable[clips.Clip]:
    mattes = Named(args.mattes)
    photos = sorted(args.photos.iterdir())
    photos = [photo for photo in photos if mattes.get(Path(photo.stem))]
    step = max(1, len(photos) // args.clips)
    for photo in photos[step // 2 :: step][: args.clips]:
        matte = read_alpha(mattes.get(Path(photo.stem)))
        yield clips.make(photo, matte, args.backgrounds, args.frames, args.height)
    yield clips.Clip("still", clips.still(photos[0], args.frames, args.height), [])


def _real(path: Path, count: int, skip: int) -> clips.Clip:
    from bshm.video.inlet import open_film

    with open_film(str(path)) as film:
        found = [frame.rgb for frame in islice(film.frames(), skip, skip + count)]
    return clips.Clip(path.stem, found, [])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("mattes", type=Path)
    parser.add_argument("backgrounds", type=Path)
    parser.add_argument("--clips", type=int, default=8)
    parser.add_argument("--frames", type=int, default=25)
    parser.add_argument("--height", type=int, default=540)
    parser.add_argument("--skip", type=int, default=0, help="frames of real films to leave out")
    parser.add_argument("--film", type=Path, nargs="*", default=[])
    parser.add_argument("--peer", nargs="*", default=[])
    args = parser.parse_args()
    known = list(matters(args.peer))
    print("| clip | matted | %s |\n|---|---|%s" % (" | ".join(COLUMNS), "---:|" * len(COLUMNS)))
    sums: dict[str, list[dict[str, Any]]] = {name: [] for name, _ in known}
    made = [*_synthetic(args), *(_real(path, args.frames, args.skip) for path in args.film)]
    for clip in made:
        for name, matte in known:
            found = measure(matte(clip.frames), clip)
            sums[name].append(found)
            _print(clip.name, name, found)
    for name, rows in sums.items():
        means = {c: float(np.mean([r[c] for r in rows if c in r])) for c in COLUMNS}
        _print("mean", name, means)


def _print(clip: str, name: str, found: dict[str, float]) -> None:
    cells = ("%.2f" % found[column] if column in found else "" for column in COLUMNS)
    print("| %s | %s | %s |" % (clip, name, " | ".join(cells)), flush=True)


if __name__ == "__main__":
    main()
