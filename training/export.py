"""Export trained weights: checkpoint -> the network alone as ONNX.

    python -m training.export network.onnx RUN/last.pt

The network takes a photo, float32 [1, 3, h, w] in 0-255 with h and w multiples of 64, and gives
alpha, float32 [1, 1, h, w]. `training.export_onnx` and `training.export_tf` wrap it into the
contract of the product's graphs.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import nn

from training.average import weights
from training.networks import BSHM, ConvBN


def fold(model: nn.Module) -> None:
    """Merge each batch norm into its convolution, in place."""
    for module in model.modules():
        if isinstance(module, ConvBN):
            at = next(i for i, layer in enumerate(module) if isinstance(layer, nn.Conv2d))
            module[at] = nn.utils.fusion.fuse_conv_bn_eval(module[at], module[at + 1])
            module[at + 1] = nn.Identity()


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
    parser.add_argument("checkpoint", type=Path)
    args = parser.parse_args()
    export(weights(args.checkpoint), args.network)


if __name__ == "__main__":
    main()
