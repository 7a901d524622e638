"""How good and how fast `bshm.scene` is: light, halo, compositing space, time.

python benchmarks/scene.py light IMAGES ALPHAS          colours given back by their background
python benchmarks/scene.py halo IMAGES ALPHAS BACKGROUNDS    what blur leaks of the person
python benchmarks/scene.py space IMAGES ALPHAS BACKGROUNDS   mixing coded values or light
python benchmarks/scene.py speed                        milliseconds of each stage
python benchmarks/scene.py sheet IMAGES ALPHAS BACKGROUNDS OUT.jpg   24 pairs to look at
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from pathlib import Path
from typing import Callable, Iterator, NamedTuple

# Run as a file, Python looks beside it; the packages are one folder up.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import cv2
import numpy as np

from benchmarks.composites import over
from benchmarks.measure import load_average, machine
from benchmarks.pairs import find_pairs, read_alpha, read_photo
from benchmarks.photos import SIZES, make
from bshm.matting import edge_colours
from bshm.scene import background, blur, compose, grids, light, tones
from bshm.scene.background import Picture
from bshm.scene.compose import Scene
from bshm.scene.shadow import Wish

RING = 20  # pixels around the person
ROUNDS = 7  # of each timing; the least is taken
LEAST = 0.05  # share of the photo that a side of the background must have to tell of light
COVERED = (0.05, 0.75)  # share of the photo: with less or more there is too little to measure


class Subject(NamedTuple):
    """A photo with somebody in it."""

    rgb: np.ndarray
    alpha: np.ndarray

    def colours(self) -> np.ndarray:
        """The person's own, free of the background."""
        return edge_colours.estimate(self.rgb, self.alpha)


def subjects(options: argparse.Namespace) -> Iterator[Subject]:
    """Photos in an order that the seed alone decides."""
    pairs, _ = find_pairs(options.images, options.alphas)
    if options.holdout:
        from training.split import is_validation

        pairs = [pair for pair in pairs if is_validation(pair.photo.stem)]
    random.Random(options.seed).shuffle(pairs)
    count = 0
    for pair in pairs:
        rgb, alpha = read_photo(pair.photo), read_alpha(pair.alpha)
        alpha = cv2.resize(alpha, rgb.shape[1::-1], interpolation=cv2.INTER_CUBIC)
        alpha = np.clip((alpha - 0.04) / 0.92, 0, 1)  # mattes stored as JPEG or WebP are not clean
        if COVERED[0] < alpha.mean() < COVERED[1]:
            yield Subject(rgb, alpha)
            count += 1
        if count == options.limit:
            return


def chances(options: argparse.Namespace) -> Iterator[tuple[Subject, random.Random]]:
    """The same photos, each with what decides its backgrounds, whichever photos are left out."""
    for number, subject in enumerate(subjects(options)):
        yield subject, random.Random("%d %d" % (options.seed, number))


def perturb(rgb: np.ndarray, chance: random.Random) -> np.ndarray:
    """The photo as another camera, or another hour, would have it."""
    gains = np.exp2(np.array([1, 0, -1], np.float32) * np.float32(chance.uniform(-0.25, 0.25)))
    gains *= np.float32(2 ** chance.uniform(-1, 1)) / (gains @ tones.LUMA)
    coded = tones.encode(tones.to_linear(rgb) * gains)
    coded = 0.5 + (coded - 0.5) * np.float32(2 ** chance.uniform(-0.3, 0.3))
    grey = (coded @ tones.LUMA)[..., None]
    coded = grey + (coded - grey) * np.float32(2 ** chance.uniform(-0.4, 0.4))
    return (np.clip(coded, 0, 1) * 255 + 0.5).astype(np.uint8)


def reinhard(
    rgb: np.ndarray, person: np.ndarray, scene: np.ndarray, free: np.ndarray
) -> np.ndarray:
    """Mean and deviation of each Lab channel of the whole background (Reinhard et al. 2001)."""
    lab, goal = (cv2.cvtColor(np.float32(each) / 255, cv2.COLOR_RGB2LAB) for each in (rgb, scene))
    ours, theirs = lab[person], goal[free]
    lab = (lab - ours.mean(0)) * (theirs.std(0) / (ours.std(0) + 1e-6)) + theirs.mean(0)
    back = cv2.cvtColor(lab.astype(np.float32), cv2.COLOR_LAB2RGB)
    return (np.clip(back, 0, 1) * 255 + 0.5).astype(np.uint8)


def light_table(options: argparse.Namespace) -> None:
    """Photos are perturbed as a whole; their people are cut out and put back where they were.

    same: the probe sees the perturbed photo's background, the scene is the photo as it was
    halves: the probe sees the one side of the background, the scene is the other: the same light
        on other things
    """
    rows: list[list[float]] = []
    for (rgb, alpha), chance in chances(options):
        other = perturb(rgb, chance)
        person, free = alpha > 0.9, alpha < 0.02
        # Light is looked for in small pictures, as the product does.
        size = light.measured(rgb.shape)
        seen, scene, matte = (grids.shrink(plane, size) for plane in (other, rgb, alpha))
        side = np.arange(size[1]) < size[1] / 2
        if chance.random() < 0.5:
            side = ~side
        around, inside = matte < 0.05, matte > 0.9

        def error(found: np.ndarray, truth=rgb, person=person) -> float:
            return float(((found[person].astype(np.float32) - truth[person]) ** 2).mean())

        row = [error(other), error(reinhard(other, person, rgb, free))]
        for old, new in ((around, around), (around & side, around & ~side)):
            if min(old.mean(), new.mean()) < LEAST or not inside.any():
                row += [np.nan, np.nan]
                continue
            probes = light.probe(seen, old), light.probe(scene, new)
            told = light.between(seen[old], scene[new], seen[inside])
            for found in (light.estimate(*probes), told):
                row.append(error((light.relit(other, found) + 0.5).astype(np.uint8)))
        rows.append(row)
    table = np.array(rows)
    print("%d photos, %d with two sides" % (len(table), (~np.isnan(table[:, -1])).sum()))
    print("%-26s %8s %8s %10s %12s" % ("", "fMSE", "PSNR", "fMSE ratio", "made worse"))
    names = ("changed", "Reinhard", "closed form, same", "network, same",
             "closed form, halves", "network, halves")  # fmt: skip
    for column, name in enumerate(names):
        known = ~np.isnan(table[:, column])
        before, after = table[known, 0], table[known, column]
        print(
            "%-26s %8.1f %8.2f %10.3f %11.1f%%"
            % (
                name,
                after.mean(),
                (10 * np.log10(255**2 / np.maximum(after, 1e-3))).mean(),
                after.mean() / before.mean(),
                100 * (after > before).mean(),
            )
        )


def halo_table(options: argparse.Namespace) -> None:
    """People on known backgrounds, blurred with them and without: errors in the ring around them.

    photos: backgrounds as they are. Near a person the true blur holds some of what the person
        hides, which nobody can know
    gradients: backgrounds of four colours, one a corner, where what is hidden follows from what is
        seen
    leaked: the same photo with people of other colours, who leaked whatever differs
    leaked, own matte: so, with the matte that a network sees, where it is wrong, too
    """
    from bshm import Matting

    files = sorted(options.backgrounds.iterdir())
    rows = []
    with Matting() as matting:
        for subject, chance in chances(options):
            alpha, colours = subject.alpha, subject.colours()
            ring = _ring(alpha)
            if not ring.any():
                continue
            picture = Picture(read_photo(chance.choice(files)))
            clean = background.paint(picture, alpha.shape, "cover").rgb
            corners = np.array([[chance.randrange(256) for _ in "RGB"] for _ in range(4)], np.uint8)
            gradient = cv2.resize(corners.reshape(2, 2, 3), alpha.shape[::-1])
            photo, other = over(colours, alpha, clean), over(255 - colours, alpha, clean)
            seen = matting.alpha(photo)
            pairs = (
                (photo, alpha, clean, np.zeros_like(alpha)),
                (over(colours, alpha, gradient), alpha, gradient, np.zeros_like(alpha)),
                (photo, alpha, other, alpha),
                (photo, seen, other, seen),
            )
            rows.append([figure for pair in pairs for figure in _halo(ring, *pair)])
    table = np.array(rows).mean(axis=0).reshape(-1, 2, 2)
    print("%d photos, ring of %d px, of 255" % (len(rows), RING))
    print("%-22s %18s %18s %16s" % ("largest and mean", "bshm", "Gaussian", "ratio"))
    for name, (ours, whole) in zip(("photos", "gradients", "leaked", "leaked, own matte"), table):
        figures = (*ours, *whole, *(ours / whole))
        print("%-22s %9.2f %8.3f %9.2f %8.3f %8.3f %7.3f" % (name, *figures))


def _ring(alpha: np.ndarray) -> np.ndarray:
    """Which pixels are background, and within `RING` of a person."""
    person = (alpha > 0.02).astype(np.uint8)
    return (cv2.dilate(person, np.ones((2 * RING + 1,) * 2, np.uint8)) > person) & (alpha <= 0.02)


def _halo(
    ring: np.ndarray, photo: np.ndarray, alpha: np.ndarray, other: np.ndarray, beta: np.ndarray
) -> Iterator[tuple[float, float]]:
    """Largest and mean difference of two photos in the ring: blurred by us, and as a whole.

    The Gaussian has the variance of our disc.
    """
    sigma = 0.5 * blur.WIDEST * float(np.hypot(*alpha.shape)) / 2
    for one, two in (
        (blur.blur(photo, alpha, 0.5), blur.blur(other, beta, 0.5)),
        (cv2.GaussianBlur(photo, (0, 0), sigma), cv2.GaussianBlur(other, (0, 0), sigma)),
    ):
        difference = cv2.absdiff(one, two)[ring]
        yield float(difference.max()), float(difference.mean())


def over_light(colours: np.ndarray, alpha: np.ndarray, below: np.ndarray) -> np.ndarray:
    """``alpha F + (1 - alpha) B`` of light, as a lens mixes; `over` mixes coded values."""
    share = alpha[..., None]
    return tones.to_coded(share * tones.to_linear(colours) + (1 - share) * tones.to_linear(below))


def space_table(options: argparse.Namespace) -> None:
    """Composites as a lens mixes them, cut out again, put on another background both ways."""
    from bshm import Matting

    files = sorted(options.backgrounds.iterdir())
    rows = []
    with Matting() as matting:
        for subject, chance in chances(options):
            alpha, colours = subject.alpha, subject.colours()
            first, second = (
                background.paint(
                    Picture(read_photo(chance.choice(files))), alpha.shape, "cover"
                ).rgb
                for _ in range(2)
            )
            photo, truth = (over_light(colours, alpha, each) for each in (first, second))
            soft = (
                cv2.dilate(((alpha > 0.02) & (alpha < 0.98)).astype(np.uint8), np.ones((3, 3))) > 0
            )
            row = []
            for seen in (alpha, matting.alpha(photo)):
                found = edge_colours.estimate(photo, seen)
                for way in (over_light, over):
                    made = way(found, seen, second).astype(np.float32)
                    row.append(((made - truth)[soft] ** 2).mean())
            again = edge_colours.estimate(photo, alpha)
            row += [
                ((way(again, alpha, first).astype(np.float32) - photo)[soft] ** 2).mean()
                for way in (over_light, over)
            ]
            rows.append(row)
    table = np.array(rows).mean(axis=0)
    print("%d photos, MSE at soft edges          light    coded" % len(rows))
    names = "new background, exact alpha", "new background, alpha of bshm", "own background"
    for at, name in enumerate(names):
        print("%-34s %8.1f %8.1f" % (name, table[2 * at], table[2 * at + 1]))


def speed_table(options: argparse.Namespace) -> None:
    """Milliseconds of each stage, the least of several rounds, and this machine."""
    for name in options.sizes:
        print("%-30s %8s %8s  (load %.1f)" % (name + ", ms", "wall", "CPU", load_average()))
        for stage, call in _stages(SIZES[name]).items():
            rounds = ROUNDS if name != "8K" else 2
            wall, cpu = np.min([_milliseconds(call) for _ in range(rounds)], axis=0)
            print("  %-28s %8.1f %8.1f" % (stage, wall, cpu))
    print(", ".join("%s %s" % each for each in machine().items()))


def _stages(size: tuple[int, int]) -> dict[str, Callable[[], object]]:
    """What is timed, by name."""
    photo, alpha = _standing(size)
    colours = edge_colours.estimate(photo, alpha)
    picture = Picture(cv2.resize(photo[:, ::-1], (2400, 1600)))
    scene = Scene(picture, shadow=Wish())
    painted = compose.paint(scene, photo, alpha)
    look = compose.estimate(scene, photo, alpha, painted)
    return {
        "paint a picture": lambda: compose.paint(scene, photo, alpha),
        "estimate light and shadow": lambda: compose.estimate(scene, photo, alpha, painted),
        "apply": lambda: compose.apply(look, alpha, colours, painted),
        "picture, light and shadow": lambda: compose.compose(scene, photo, alpha, colours),
        "colour": lambda: compose.compose(Scene(background.parse("white")), photo, alpha, colours),
        "radial gradient": lambda: compose.compose(
            Scene(background.parse("radial:white..gray")), photo, alpha, colours
        ),
        "shadow on nothing": lambda: compose.compose(Scene(shadow=Wish()), photo, alpha, colours),
        "blur, feet in the frame": lambda: compose.compose(
            Scene(background.parse("blur")), photo, alpha, colours
        ),
        "blur of a portrait": lambda: blur.blur(photo, alpha, 0.5),
    }


def _standing(size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """A photo of a size and the matte of somebody who stands in it, with soft edges."""
    width, height = size
    photo = make(0, size)
    alpha = np.zeros((height, width), np.float32)
    middle, unit = width // 2, height // 20
    cv2.circle(alpha, (middle, 4 * unit), 2 * unit, 1.0, -1, cv2.LINE_AA)
    cv2.rectangle(alpha, (middle - 3 * unit, 6 * unit), (middle + 3 * unit, 12 * unit), 1.0, -1)
    for side in (-2, 2):
        left = middle + side * unit - unit
        cv2.rectangle(alpha, (left, 12 * unit), (left + 2 * unit, 19 * unit), 1.0, -1)
    alpha = cv2.GaussianBlur(alpha, (0, 0), height / 500)
    alpha[alpha < 0.01], alpha[alpha > 0.99] = 0, 1
    return photo, alpha


def _milliseconds(call: Callable[[], object]) -> tuple[float, float]:
    """Wall clock and processor time."""
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    return (time.perf_counter() - wall) * 1000, (time.process_time() - cpu) * 1000


def sheet(options: argparse.Namespace) -> None:
    """Pairs: put there as it was, and with light and shadow."""
    files = sorted(options.backgrounds.iterdir())
    tiles = []
    options.limit = min(options.limit, 24)
    for subject, chance in chances(options):
        rgb, alpha, colours = *subject, subject.colours()
        picture = Picture(read_photo(chance.choice(files)))
        pair = [
            compose.compose(Scene(picture, light=0.0), rgb, alpha, colours).pixels,
            compose.compose(Scene(picture, shadow=Wish()), rgb, alpha, colours).pixels,
        ]
        tiles.append(np.hstack([_tile(each) for each in pair]))
    columns = 4
    while len(tiles) % columns:
        tiles.append(np.zeros_like(tiles[0]))
    rows = [np.hstack(tiles[at : at + columns]) for at in range(0, len(tiles), columns)]
    cv2.imwrite(str(options.out), np.vstack(rows)[..., ::-1])


def _tile(pixels: np.ndarray) -> np.ndarray:
    side = 320
    scale = side / max(pixels.shape[:2])
    small = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    down, across = side - small.shape[0], side - small.shape[1]
    return cv2.copyMakeBorder(small, 0, down, 0, across, cv2.BORDER_CONSTANT, value=(40, 40, 40))


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="scene", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, call, folders in (
        ("light", light_table, ["images", "alphas"]),
        ("halo", halo_table, ["images", "alphas", "backgrounds"]),
        ("space", space_table, ["images", "alphas", "backgrounds"]),
        ("speed", speed_table, []),
        ("sheet", sheet, ["images", "alphas", "backgrounds", "out"]),
    ):
        command = commands.add_parser(name, help=(call.__doc__ or "").splitlines()[0])
        for folder in folders:
            command.add_argument(folder, type=Path)
        if folders:
            command.add_argument("--limit", type=int, default=200, help="photos (default: 200)")
            command.add_argument("--seed", type=int, default=0)
            command.add_argument(
                "--holdout", action="store_true", help="only photos never trained on"
            )
        else:
            command.add_argument("--sizes", nargs="+", choices=list(SIZES), default=["1080p", "8K"])
        command.set_defaults(call=call)
    options = parser.parse_args()
    options.call(options)


if __name__ == "__main__":
    main()
