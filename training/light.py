"""Train `bshm/data/light.npz`, the small network of `bshm.scene.match`.

    python -m training.light sample DATA pixels.npz          # a few pixels of each photo
    python -m training.light train pixels.npz bshm/data/light.npz --minutes 3

A photo is changed as another camera or hour would have it (exposure ±1 EV, colour temperature,
contrast, saturation). The network sees the changed person, the changed background or one side of
it, and the unchanged one or its other side, which is changed in another way now and then; the
person is to come out as in the latter. The loss is the squared error of the person's pixels. Photos
of the tenth that `training.split` holds out are not trained on.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from bshm.scene import light, match, tones
from training.split import is_validation

SIDE = 192  # pixels: long side of the photos that are sampled
PERSON, SCENE = 256, 512  # pixels of the person, and of each side of the background, that are kept
SEEN = 96, 192  # of these in a step
COVERED = (0.05, 0.75)  # share of the photo that people cover
HIDDEN = 96, 32  # numbers in the two hidden layers
BATCH = 160
RATE = 2e-3  # of AdamW, falling to 1e-5
SPREAD = 480.0  # squared error of the mean photo before anything is done, of 255²
UNCHANGED = 0.6  # of the scenes
LUMA = torch.tensor([0.2126, 0.7152, 0.0722])


def sample(data: Path, out: Path) -> None:
    """Keep some pixels of the person and of both sides of the background of each photo."""
    chance = np.random.default_rng(0)
    kept: dict[str, list] = {"names": [], "person": [], "left": [], "right": []}
    for path in sorted((data / "images").iterdir()):
        mask = cv2.imread(str(data / "masks" / (path.stem + ".png")), 0)
        matte = cv2.imread(str(data / "rvm" / (path.stem + ".webp")), 0)
        photo = cv2.imread(str(path))
        if mask is None or matte is None or photo is None:
            continue
        shrink = SIDE / max(photo.shape[:2])
        size = round(photo.shape[1] * shrink), round(photo.shape[0] * shrink)
        rgb, mask, matte = (cv2.resize(each, size, interpolation=cv2.INTER_AREA)
                            for each in (photo[..., ::-1], mask, matte))  # fmt: skip
        alpha = np.maximum(mask / max(mask.max(), 1), matte / 255)
        person = np.minimum(mask / max(mask.max(), 1), matte / 255) > 0.9
        free = cv2.erode((alpha < 0.04).astype(np.uint8), np.ones((3, 3))) > 0
        left = free & (np.arange(size[0]) < size[0] / 2)
        right = free & ~left
        if (
            COVERED[0] < alpha.mean() < COVERED[1]
            and person.sum() >= PERSON
            and min(left.mean(), right.mean()) > 0.05
        ):
            kept["names"].append(path.stem)
            for name, where, count in (
                ("person", person, PERSON), ("left", left, SCENE), ("right", right, SCENE)
            ):  # fmt: skip
                found = rgb[where]
                kept[name].append(found[chance.choice(len(found), count, len(found) < count)])
    np.savez(out, **kept)
    print(f"{len(kept['names'])} photos")


def encode(linear: Tensor) -> Tensor:
    """Linear light -> coded values 0-1, as `bshm.scene.tones` does it."""
    linear = linear.clamp(1e-6, 1)
    return torch.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


LINEAR = torch.from_numpy(tones.TO_LINEAR)
STEPS = 1 << 14  # of linear light in the table back to coded values
CODED = encode(torch.linspace(0, 1, STEPS + 1))


def decode(coded: Tensor) -> Tensor:
    """Coded values, 0-1 in 255 steps -> linear light."""
    return LINEAR[(coded * 255).round().long()]


def perturb(rgb: Tensor, change: list[Tensor]) -> Tensor:
    """Photos [N, K, 3] as another camera, or another hour, would have them."""
    warmth, exposure, contrast, saturation = change
    gains = torch.exp2(torch.cat([warmth, 0 * warmth, -warmth], -1))
    gains = gains * torch.exp2(exposure) / (gains @ LUMA)[..., None]
    coded = CODED[((decode(rgb) * gains).clamp(0, 1) * STEPS).round().long()]
    coded = 0.5 + (coded - 0.5) * torch.exp2(contrast)
    grey = (coded @ LUMA)[..., None]
    return ((grey + (coded - grey) * torch.exp2(saturation)).clamp(0, 1) * 255 + 0.5).floor() / 255


def draw(count: int) -> list[Tensor]:
    """Changes: EV of warmth and exposure, log2 of contrast and saturation."""
    return [(torch.rand(count, 1, 1) * 2 - 1) * most for most in (0.25, 1.0, 0.3, 0.4)]


def relit(rgb: Tensor, told: Tensor) -> Tensor:
    """Persons [N, K, 3] in the light [N, 6] that was told, as `bshm.scene.light` applies it."""
    exposure, warmth, tint, contrast, black, saturation = told[:, :, None, None].unbind(1)
    gains = torch.exp2(torch.cat([warmth / 2, tint, -warmth / 2], -1))
    gains = gains / (gains @ LUMA)[..., None] * torch.exp2(exposure)
    coded = encode(shoulder(decode(rgb), gains))
    slope = torch.exp2(contrast)
    up, down = (side.clamp(1e-5, 1) ** slope for side in (coded, 1 - coded))
    coded = black + (1 - black) * up / (up + down)
    grey = (coded @ LUMA)[..., None]
    return (grey + (coded - grey) * torch.exp2(saturation)).clamp(0, 1)


def shoulder(linear: Tensor, gains: Tensor) -> Tensor:
    """Gains that leave white where it is, as `bshm.scene.light` has them."""
    knee = 0.3
    lit = gains * linear
    over = (lit - knee).clamp(min=0) / (gains - knee).clamp(min=1e-6)
    steep = (gains - knee) / (1 - knee)
    bent = knee + (1 - knee) * steep * over / (1 + (steep - 1) * over).clamp(min=1e-3)
    return torch.where((gains > 1) & (lit > knee), bent, lit)


def statistics(rgb: Tensor) -> Tensor:
    """`bshm.scene.match.statistics` of many at once: [N, K, 3] in 0-1 -> [N, STATISTICS]."""
    red, green, blue = rgb.unbind(-1)
    luma, warm, tint = rgb @ LUMA, red - blue, green - (red + blue) / 2
    spread = rgb.amax(-1) - rgb.amin(-1)
    means = [
        torch.log2((decode(rgb) @ LUMA).mean(1) + match.DARK),
        luma.mean(1),
        luma.std(1, unbiased=False),
        warm.mean(1),
        warm.std(1, unbiased=False),
        tint.mean(1),
        spread.mean(1),
    ]
    parts = []
    for values, (bins, least, most) in zip((luma, warm, tint, spread), match.BINS):
        at = ((values - least) / (most - least) * (bins - 1)).clamp(0, bins - 1)
        low = at.long().clamp(max=bins - 2)
        found = torch.zeros(len(rgb), bins)
        found.scatter_add_(1, low, 1 - (at - low))
        found.scatter_add_(1, low + 1, at - low)
        parts.append(found / rgb.shape[1])
    return torch.cat([*parts, torch.stack(means, 1)], 1)


class Photos:
    """Pixels of photos, of which changed ones are made."""

    def __init__(self, path: Path, validation: bool) -> None:
        stored = np.load(path)
        chosen = [is_validation(str(name)) == validation for name in stored["names"]]
        self.planes = {name: torch.from_numpy(stored[name][chosen])
                       for name in ("person", "left", "right")}  # fmt: skip
        self.count = sum(chosen)

    def pick(self, name: str, which: Tensor, count: int) -> Tensor:
        """Some pixels of some photos, 0-1, [N, count, 3]."""
        plane = self.planes[name][which]
        at = torch.randperm(plane.shape[1])[:count]
        return plane[:, at].float() / 255

    def changed(
        self, which: Tensor, seen: tuple[int, int], apart: bool, unchanged: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        """What the network sees, the person that it sees, and as that is to be.

        apart: whether the probe and the scene are different sides of the background
        """
        person = self.pick("person", which, seen[0])
        sides = [self.pick(name, which, seen[1]) for name in ("left", "right")]
        swap = torch.rand(len(which), 1, 1) < 0.5
        old, new = torch.where(swap, *sides), torch.where(swap, *sides[::-1])
        if not apart:
            old = new = torch.cat(sides, 1)
        photo = draw(len(which))
        still = torch.rand(len(which), 1, 1) < unchanged
        scene = [torch.where(still, 0 * part, part) for part in draw(len(which))]
        before, wanted = perturb(person, photo), perturb(person, scene)
        groups = (perturb(old, photo), perturb(new, scene), before)
        return torch.cat([statistics(group) for group in groups], 1), before, wanted


class Network(nn.Module):
    """Statistics of old background, new background and person -> six scalars."""

    def __init__(self, seen: Tensor) -> None:
        super().__init__()
        self.mean, self.deviation = seen.mean(0), seen.std(0) + 0.02
        self.layers = nn.Sequential(
            nn.Linear(seen.shape[1], HIDDEN[0]),
            nn.ReLU(),
            nn.Linear(HIDDEN[0], HIDDEN[1]),
            nn.ReLU(),
            nn.Linear(HIDDEN[1], len(match.LIMITS)),
        )
        self.limits = torch.tensor(match.LIMITS)

    def forward(self, seen: Tensor) -> Tensor:
        return self.limits * torch.tanh(self.layers((seen - self.mean) / self.deviation))

    def load(self, path: Path) -> None:
        """Take the weights that `save` wrote."""
        arrays = {k: torch.from_numpy(v.astype(np.float32)) for k, v in np.load(path).items()}
        self.mean, self.deviation = arrays["mean"], arrays["deviation"]
        with torch.no_grad():
            for number, layer in enumerate(self.layers[::2], 1):
                layer.weight.copy_(arrays["weight%d" % number])
                layer.bias.copy_(arrays["bias%d" % number])

    def save(self, path: Path) -> None:
        """As `bshm.scene.match` reads it, in float16."""
        arrays = {"mean": self.mean, "deviation": self.deviation}
        for number, layer in enumerate(self.layers[::2], 1):
            arrays["weight%d" % number] = layer.weight.detach()
            arrays["bias%d" % number] = layer.bias.detach()
        np.savez_compressed(path, **{k: v.numpy().astype(np.float16) for k, v in arrays.items()})


def error(found: Tensor, wanted: Tensor) -> Tensor:
    """Mean squared error of each person, of 255²."""
    return ((found - wanted) ** 2).mean((1, 2)) * 255**2


def train(pixels: Path, out: Path, minutes: float, seed: int, start: Path | None = None) -> None:
    """Train for some minutes, tell how good it is on held-out photos, and save."""
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    photos, held = Photos(pixels, False), Photos(pixels, True)
    first = torch.randint(photos.count, (1000,))
    network = Network(photos.changed(first, SEEN, True, UNCHANGED)[0])
    if start:
        network.load(start)
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=0.01)
    begin, step, done = time.monotonic(), 0, 0.0
    while done < 1:
        for group in optimizer.param_groups:
            group["lr"] = RATE * (1 - done) ** 0.9 + 1e-5
        which = torch.randint(photos.count, (BATCH,))
        seen, before, wanted = photos.changed(which, SEEN, bool(step % 4), UNCHANGED)
        was, now = error(before, wanted), error(relit(before, network(seen)), wanted)
        loss = now.mean() / SPREAD + 0.3 * ((now + (now - was).clamp(min=0)) / (was + 40)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        step += 1
        done = (time.monotonic() - begin) / 60 / minutes
    network.save(out)
    print(f"{step} steps, {photos.count} photos, {held.count} held out")
    with torch.no_grad():
        for apart in (False, True):
            print("halves" if apart else "same", table(network, held, apart))


def table(network: Network, photos: Photos, apart: bool) -> str:
    """Squared error after / before, and share of photos made worse: as told, and as is done."""
    which = torch.arange(photos.count)
    seen, before, wanted = photos.changed(which, (PERSON, SCENE), apart, 1.0)
    told = network(seen)
    change = error(relit(before, told), before).sqrt()[:, None]
    share = ((change - light.SMALL) / (light.LARGE - light.SMALL)).clamp(0, 1)
    was, parts = error(before, wanted), []
    for name, taken in (("told", told), ("done", told * share)):
        now = torch.where((taken != 0).any(1), error(relit(before, taken), wanted), was)
        worse = 100 * (now > was).float().mean()
        parts.append(f"{name} {now.mean() / was.mean():.3f}, {worse:.1f} %")
    return "; ".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("sample", help="keep a few pixels of each photo")
    one.add_argument("data", type=Path)
    one.add_argument("out", type=Path)
    two = commands.add_parser("train", help="train the network")
    two.add_argument("pixels", type=Path)
    two.add_argument("out", type=Path)
    two.add_argument("--minutes", type=float, default=3.0)
    two.add_argument("--start", type=Path, help="weights to go on from")
    two.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    if args.command == "sample":
        sample(args.data, args.out)
    else:
        train(args.pixels, args.out, args.minutes, args.seed, args.start)


if __name__ == "__main__":
    main()
