"""Train the embedded weights, stage by stage, each from where the one before ended.

    python -m training.train PACK RUN --stage mpn --size 256 --batch 8 --steps 3000 --rate 6e-4

Stages, in their order: mpn, qun, mrn, joint; README.md has the commands of the shipped weights.
RUN/last.pt is a checkpoint after every few hundred steps: the same command with --resume goes on
from it, without --resume a stage starts from its weights. RUN/log.jsonl records what was trained.
Shipped weights are the exponential moving average.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path
from typing import Callable

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset

from training.data import Geometry, Pack, Sampler
from training.losses import mask_loss, matte_loss, unify_loss
from training.networks import BSHM, ENCODERS, MEAN, SCALE

STAGES = ("mpn", "qun", "mrn", "joint")


class Samples(IterableDataset):
    """A :class:`Sampler` a worker, each with a seed of its own."""

    def __init__(self, pack: Path, **options: object) -> None:
        self.pack, self.options, self.seed = pack, options, 0

    def __iter__(self):
        cv2.setNumThreads(1)
        info = torch.utils.data.get_worker_info()
        worker = info.id if info else 0
        return iter(Sampler(Pack(self.pack), seed=1000 * self.seed + worker, **self.options))


def degrade(alpha: Tensor, generator: np.random.Generator) -> Tensor:
    """A coarse annotation out of a fine alpha: filtered, binarised, opened, closed, bitten.

    alpha [B, 1, h, w] -> the same shape; a different way for each of the batch.
    """
    out = []
    for item in alpha.cpu().numpy()[:, 0]:
        size = max(item.shape)
        mask = item.copy()
        if generator.random() < 0.7:
            mask = (mask > generator.uniform(0.2, 0.8)).astype(np.float32)
        for _ in range(generator.integers(1, 3)):
            side = int(generator.integers(1, max(2, size // 16))) * 2 + 1
            kernel = cv2.getStructuringElement(
                int(generator.choice([cv2.MORPH_RECT, cv2.MORPH_ELLIPSE])), (side, side)
            )
            way = [cv2.MORPH_OPEN, cv2.MORPH_CLOSE, cv2.MORPH_ERODE, cv2.MORPH_DILATE]
            mask = cv2.morphologyEx(mask, int(generator.choice(way)), kernel)
        for _ in range(generator.integers(0, 4)):  # holes in shirts, blobs beside bodies
            centre = tuple(int(v) for v in generator.integers(0, size, 2))
            axes = tuple(int(v) for v in generator.integers(2, max(3, size // 8), 2))
            value = float(generator.uniform(0, 1))
            cv2.ellipse(mask, centre, axes, float(generator.uniform(0, 180)), 0, 360, value, -1)
        if generator.random() < 0.6:
            mask = cv2.GaussianBlur(mask, (0, 0), float(generator.uniform(0.3, size / 60)))
        out.append(mask)
    return torch.from_numpy(np.stack(out)[:, None]).to(alpha)


REACH = 5  # pixels: how far a twin is moved


def twin(photo: Tensor, rnd: np.random.Generator) -> tuple[Tensor, tuple[int, int]]:
    """The same photos moved by some pixels, in another light, encoded anew; and the move (y, x).

    What the move brings in at one border is what left at the other: leave REACH pixels out.
    """
    move = tuple(int(v) for v in rnd.integers(-REACH, REACH + 1, 2))
    twins = torch.roll(photo, move, (2, 3)).permute(0, 2, 3, 1).cpu().numpy()
    out = []
    for item in twins:
        noise = rnd.standard_normal(item.shape, np.float32) * np.float32(rnd.uniform(0, 4))
        item = item * np.float32(rnd.uniform(0.86, 1.14)) + np.float32(rnd.uniform(-8, 8))
        item = (item + noise).clip(0, 255)
        if rnd.random() < 0.5:
            quality = [cv2.IMWRITE_JPEG_QUALITY, int(rnd.integers(35, 90))]
            item = cv2.imdecode(cv2.imencode(".jpg", item.astype(np.uint8), quality)[1], 1)
        out.append(item.astype(np.float32))
    return torch.from_numpy(np.stack(out)).to(photo.device).permute(0, 3, 1, 2), move


def unsteadiness(
    predict: Callable[[Tensor], Tensor], photo: Tensor, alpha: Tensor, rnd: np.random.Generator
) -> Tensor:
    """Mean difference between the alphas of a quarter of the photos and those of their twins.

    predict: photo [B, 3, h, w] -> alpha [B, 1, ., .]; alpha: what it gave for ``photo``.
    """
    some = slice(0, max(1, len(photo) // 4))
    twins, move = twin(photo[some], rnd)
    size = photo.shape[2:]

    def full(x: Tensor) -> Tensor:
        return F.interpolate(x.float(), size=size, mode="bilinear", align_corners=False)

    moved_back = torch.roll(full(predict(twins)), [-step for step in move], (2, 3))
    difference = (full(alpha[some]) - moved_back).abs()
    return difference[..., 2 * REACH : -2 * REACH, 2 * REACH : -2 * REACH].mean()


def step_loss(
    model: BSHM, stage: str, batch: list[Tensor], rnd: np.random.Generator, steady: float = 0.0
) -> Tensor:
    """The stage's loss on a batch; ``steady`` weighs how much twins differ (mpn and joint)."""
    photo, alpha, weight, front = batch
    if stage == "mpn":
        target, weight = F.avg_pool2d(alpha, 2), F.avg_pool2d(weight, 2)
        logits = model.mpn(photo)
        loss = mask_loss(logits, target, weight)
        if steady:
            mask = lambda x: model.mpn(x).softmax(1)[:, 1:]  # noqa: E731
            loss = loss + steady * unsteadiness(mask, photo, logits.softmax(1)[:, 1:], rnd)
        return loss
    quarter, target = F.avg_pool2d(photo, 4), F.avg_pool2d(alpha, 4)
    if stage == "qun":
        degraded = degrade(target, rnd)
        coarse, fine = model.qun(quarter, degraded), model.qun(quarter, target)
        return unify_loss(coarse.float(), fine.float(), degraded, target)
    if stage == "mrn":
        with torch.no_grad():
            degraded = degrade(target, rnd)
            # Half of the time the mask is nearly right, as the mask network's mostly are.
            mild = torch.rand(len(target), 1, 1, 1, device=target.device) < 0.5
            seen = torch.where(mild, blur(target), degraded)
            unified = model.qun(quarter, seen).float()
        matte, colour = model.mrn(photo, unified)
        extra = 0.0
    else:
        logits, unified, matte, colour = model.stages(photo)
        light = F.avg_pool2d(weight, 4)
        extra = mask_loss(logits, target, light)
        extra = 0.5 * extra + 0.5 * ((unified.float() - target).abs() * light).mean()
        if steady:
            extra = extra + steady * unsteadiness(model, photo, matte, rnd)
    norm = lambda x: (x - MEAN) / SCALE  # noqa: E731
    return extra + matte_loss(matte, alpha, colour, norm(front), norm(photo), weight)


def blur(mask: Tensor) -> Tensor:
    return F.avg_pool2d(F.pad(mask, (1, 1, 1, 1), mode="replicate"), 3, 1)


def parameters(model: BSHM, stage: str, rate: float, held: tuple[str, ...] = ()) -> list[dict]:
    """Parameter groups: the pretrained encoder learns more slowly than what starts from nothing.

    held: names of layers that stay as they are.
    """
    if stage != "joint":
        for name in ("mpn", "qun", "mrn"):
            getattr(model, name).requires_grad_(name == stage)
    for name in held:
        model.get_submodule(name).requires_grad_(False)
    encoder = list(model.mpn.encoder.parameters())
    known = {id(p) for p in encoder}
    rest = [p for p in model.parameters() if p.requires_grad and id(p) not in known]
    encoder = [p for p in encoder if p.requires_grad]
    groups = [{"params": rest, "scale": 1.0}]
    if encoder:
        groups.append({"params": encoder, "scale": 0.3})
    return [dict(group, lr=rate * group["scale"]) for group in groups]


def learn(model: BSHM, stage: str, frozen: bool) -> None:
    """Training mode for what the stage trains; if ``frozen``, batch norm keeps its statistics.

    The joint stage always keeps them: its batches are too small to speak for all photos.
    """
    model.eval()
    if stage != "joint" and not frozen:
        getattr(model, stage).train()


class Average:
    """Exponential moving average of a model's state; a young average follows quickly."""

    def __init__(self, model: nn.Module, decay: float = 0.998) -> None:
        self.state = {k: v.detach().clone() for k, v in model.state_dict().items()}
        self.decay, self.steps = decay, 0

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        self.steps += 1
        keep = min(self.decay, (1 + self.steps) / (10 + self.steps))
        for key, value in model.state_dict().items():
            if value.is_floating_point():
                self.state[key].lerp_(value, 1 - keep)
            else:
                self.state[key].copy_(value)


def train(args: argparse.Namespace) -> None:
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    rnd = np.random.default_rng(args.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    args.run.mkdir(parents=True, exist_ok=True)
    last = args.run / "last.pt"
    start = 0
    saved = torch.load(last, map_location="cpu", weights_only=True) if last.exists() else {}
    if args.resume and saved.get("stage") != args.stage:
        raise SystemExit(f"{last} holds no unfinished stage {args.stage}")
    if saved:
        model = BSHM.of(saved["model" if args.resume else "average"])
    else:
        model = BSHM(args.encoder)
        model.mpn.encoder.load_imagenet()
    model.mpn.encoder.drop(args.drop)
    model.to(device, memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(
        parameters(model, args.stage, args.rate, args.hold), weight_decay=0.01
    )
    average = Average(model)
    if args.resume:
        optimiser.load_state_dict(saved["optimiser"])
        average.state = {name: value.to(device) for name, value in saved["average"].items()}
        average.steps = saved["step"]
        start = saved["step"]
        if start >= args.steps:
            raise SystemExit(f"{last} holds stage {args.stage} with {start} steps: it is finished")
    geometry = Geometry(zoom=args.zoom) if args.zoom else Geometry()
    samples = Samples(
        args.pack,
        size=args.size,
        batch=args.batch,
        cell=64 if args.stage == "joint" else 32,
        fine_only=args.stage in ("qun", "mrn"),
        geometry=geometry,
        replace=args.replace,
        without=args.without,
    )
    samples.seed = args.seed + start
    ahead = 4 if args.workers else None
    loader = iter(DataLoader(samples, args.batch, num_workers=args.workers, prefetch_factor=ahead))
    learn(model, args.stage, args.frozen)
    running, began = 0.0, time.time()
    for step in range(start, args.steps):
        warm = min(1.0, (step + 1) / 100)
        pace = warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / args.steps)))
        for group in optimiser.param_groups:
            group["lr"] = args.rate * group["scale"] * pace
        batch = [t.to(device, memory_format=torch.channels_last) for t in next(loader)]
        with torch.autocast(device.type, torch.bfloat16, enabled=args.bf16):
            loss = step_loss(model, args.stage, batch, rnd, args.steady)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimiser.step()
        average.update(model)
        running += (loss.item() - running) / min(step - start + 1, 100)
        done = step + 1
        if done % 50 == 0 or done == args.steps:
            rate = (done - start) * args.batch / (time.time() - began)
            print(f"{args.stage} {done}/{args.steps} loss {running:.4f} {rate:.1f}/s", flush=True)
        if done % 300 == 0 or done == args.steps:
            state = {
                "stage": args.stage,
                "step": done,
                "model": model.state_dict(),
                "average": average.state,
                "optimiser": optimiser.state_dict(),
            }
            torch.save(state, last.with_suffix(".tmp"))
            last.with_suffix(".tmp").replace(last)
    record = {k: v if isinstance(v, (int, float, bool)) else str(v) for k, v in vars(args).items()}
    record.update(loss=round(running, 5), seconds=round(time.time() - began))
    with open(args.run / "log.jsonl", "a") as log:
        log.write(json.dumps(record) + "\n")


def has_bfloat16() -> bool:
    """Whether what trains here multiplies in bfloat16; it then takes half of the time."""
    return torch.cuda.is_available() or torch.ops.mkldnn._is_mkldnn_bf16_supported()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pack", type=Path, help="folder written by training.data")
    parser.add_argument("run", type=Path, help="folder for checkpoints and log")
    parser.add_argument("--stage", choices=STAGES, required=True)
    parser.add_argument(
        "--encoder", choices=ENCODERS, default="lite0", help="of a first stage (default: lite0)"
    )
    parser.add_argument("--drop", type=float, default=0.0, help="stochastic depth of the encoder")
    parser.add_argument(
        "--zoom", type=float, nargs=2, metavar=("LOW", "HIGH"), help="how much of a photo is shown"
    )
    parser.add_argument(
        "--replace", type=float, default=0.55, help="share of new backgrounds (default: 0.55)"
    )
    parser.add_argument("--size", type=int, default=256, help="side of a sample (default: 256)")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--rate", type=float, default=1e-3, help="peak learning rate")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument(
        "--frozen", action="store_true",
        help="keep batch norm's statistics: for weights that are good already; twice as fast",
    )  # fmt: skip
    parser.add_argument(
        "--steady", type=float, default=0.0, help="weight of the difference between twins"
    )
    parser.add_argument(
        "--hold", nargs="+", default=(), metavar="LAYER", help="leave these layers as they are"
    )
    parser.add_argument("--without", default="", metavar="KIND", help="leave one set out")
    parser.add_argument(
        "--bf16", action=argparse.BooleanOptionalAction, default=has_bfloat16(),
        help="(default: on a GPU and on processors that have bfloat16; others take minutes a step)",
    )  # fmt: skip
    parser.add_argument("--resume", action="store_true", help="go on with an interrupted stage")
    train(parser.parse_args())


if __name__ == "__main__":
    main()
