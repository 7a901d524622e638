"""Average checkpoints: the mean of several states of one network errs less than each of them.

    python -m training.average OUT.pt RUN/early.pt RUN/late.pt --shares 0.6 0.4
    python -m training.average OUT.pt RUN/mpn.pt --take OTHER/joint.pt qun mrn

Wortsman et al., "Model soups", ICML 2022. With ``--take``, some layers are another state's: QUN and
MRN, which know nothing of MPN's encoder, or those in which a skill sits that a run has lost. Copied
to RUN/last.pt, the average is what the next stage starts from.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor


def weights(checkpoint: Path) -> dict[str, Tensor]:
    """The averaged weights that a checkpoint holds, as float32."""
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)["average"]
    return {name: value.float() for name, value in state.items()}


def average(checkpoints: list[Path], shares: list[float]) -> dict[str, Tensor]:
    """Weighted mean of the checkpoints' averaged weights."""
    states = [weights(path) for path in checkpoints]
    return {
        name: sum(share * state[name] for share, state in zip(shares, states)) for name in states[0]
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("out", type=Path, help="checkpoint to write")
    parser.add_argument("checkpoints", type=Path, nargs="+")
    parser.add_argument(
        "--shares", type=float, nargs="+", help="of each checkpoint (default: equal)"
    )
    parser.add_argument(
        "--take", nargs="+", default=(), metavar=("FILE", "LAYER"), help="layers of another state"
    )
    parser.add_argument("--half", action="store_true", help="write float16, half the size")
    args = parser.parse_args()
    shares = args.shares or [1 / len(args.checkpoints)] * len(args.checkpoints)
    if len(shares) != len(args.checkpoints) or abs(sum(shares) - 1) > 1e-6:
        parser.error("--shares: one for each checkpoint, 1 in all")
    state = average(args.checkpoints, shares)
    if args.take:
        file, *layers = args.take
        unknown = [n for n in layers if not any(k.startswith(n + ".") for k in state)]
        if unknown or not layers:
            parser.error(f"--take: no layers of the network: {' '.join(unknown) or 'none named'}")
        start = tuple(layer + "." for layer in layers)
        state.update({k: v for k, v in weights(Path(file)).items() if k.startswith(start)})
    if args.half:
        state = {name: value.half() for name, value in state.items()}
    torch.save({"average": state}, args.out)


if __name__ == "__main__":
    main()
