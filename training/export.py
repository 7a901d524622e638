"""Export trained weights: checkpoints -> the network alone as ONNX.

    python -m training.export network.onnx RUN/last.pt
    python -m training.export network.onnx RUN/early.pt RUN/late.pt --shares 0.6 0.4

Of several checkpoints of one run the weights are averaged, which errs less than each of them
(Wortsman et al., "Model soups", ICML 2022). ``--keep FILE.pt`` writes the average as a checkpoint
in float16, for training to go on from.

The network takes a photo, float32 [1, 3, h, w] in 0-255 with h and w multiples of 64, and gives
alpha, float32 [1, 1, h, w]. `training.export_onnx` and `training.export_tf` wrap it into the
contract of the product's graphs.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import nn

from training.networks import BSHM, ConvBN


def fold(model: nn.Module) -> None:
    """Merge each batch norm into its convolution, in place."""
    for module in model.modules():
        if isinstance(module, ConvBN):
            at = next(i for i, layer in enumerate(module) if isinstance(layer, nn.Conv2d))
            module[at] = nn.utils.fusion.fuse_conv_bn_eval(module[at], module[at + 1])
            module[at + 1] = nn.Identity()


def average(checkpoints: list[Path], shares: list[float]) -> dict[str, torch.Tensor]:
    """Weighted mean of the checkpoints' averaged weights."""
    states = [torch.load(p, map_location="cpu", weights_only=True)["average"] for p in checkpoints]
    return {
        name: sum(share * state[name].float() for share, state in zip(shares, states))
        for name in states[0]
    }


def export(state: dict[str, torch.Tensor], path: Path) -> None:
    model = BSHM.of(state)
    model.eval()
    fold(model)
    torch.onnx.export(
        model,
        (torch.zeros(1, 3, 512, 832),),
        str(path),
        dynamo=False,
        opset_version=17,
        input_names=["image"],
        output_names=["alpha"],
        dynamic_axes={"image": {2: "h", 3: "w"}, "alpha": {2: "h", 3: "w"}},
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("network", type=Path, help="ONNX file to write")
    parser.add_argument("checkpoints", type=Path, nargs="+")
    parser.add_argument(
        "--shares", type=float, nargs="+", help="of each checkpoint (default: equal)"
    )
    parser.add_argument("--keep", type=Path, metavar="FILE.pt", help="write the average as well")
    args = parser.parse_args()
    shares = args.shares or [1 / len(args.checkpoints)] * len(args.checkpoints)
    if len(shares) != len(args.checkpoints) or abs(sum(shares) - 1) > 1e-6:
        parser.error("--shares: one for each checkpoint, 1 in all")
    state = average(args.checkpoints, shares)
    export(state, args.network)
    if args.keep:
        torch.save({"average": {name: value.half() for name, value in state.items()}}, args.keep)


if __name__ == "__main__":
    main()
