"""How good the mattes are: ``python benchmarks/accuracy.py IMAGES ALPHAS``.

Compares the mattes of our own tool, of any ONNX model, or of any stored ones with true alphas,
prints a table with a row for each set of photos, and writes JSON and a sheet of the worst cases.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from collections import Counter
from pathlib import Path

# Run as a file, Python looks beside it; the packages are one folder up.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tqdm import tqdm

from benchmarks import stability
from benchmarks.composites import Backgrounds
from benchmarks.mattes import (
    PRESETS,
    FirstLook,
    Mattes,
    OnnxMattes,
    OurMattes,
    Preset,
    StoredMattes,
)
from benchmarks.pairs import Pair, find_pairs, read_alpha, read_photo
from benchmarks.scores import Score, by_group, score, table
from benchmarks.sheet import Worst
from bshm import BshmError

STEADY = 40  # photos for --stability, spread over all


def main(argv: list[str] | None = None) -> int:
    parser = _parser()
    options = parser.parse_args(argv)
    try:
        pairs = _pairs(options)
        tools = _tools(options)
        backgrounds = None
        if options.composites:
            backgrounds = Backgrounds(options.composites, options.seed, options.frame)
        worst = Worst(options.worst) if options.sheet else None
        results = {
            tool.name: _measure(tool, pairs, backgrounds, worst if i == 0 else None)
            for i, tool in enumerate(tools)
        }
        unsteadiness = {}
        if options.stability:
            photos = [read_photo(pair.photo) for pair in pairs[:: -(-len(pairs) // STEADY)]]
            unsteadiness = {tool.name: stability.measure(tool, photos) for tool in tools}
    except (BshmError, ValueError) as error:
        print("accuracy: %s" % error, file=sys.stderr)
        return 1
    print(table({name: by_group(scores) for name, scores in results.items()}))
    if options.stability:
        print("\n" + stability.table(unsteadiness))
    if options.json:
        options.json.write_text(
            json.dumps(_report(options, results, unsteadiness), indent=1), "utf-8"
        )
    if worst:
        worst.save(options.sheet)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="accuracy", description=__doc__)
    add = parser.add_argument
    add("images", type=Path, metavar="IMAGES", help="folder of photos, with or without sub-folders")
    add("alphas", type=Path, metavar="ALPHAS", help="folder of true alphas of the same names")
    tools = parser.add_argument_group("what to measure (default: --engine bshm)")
    tools.add_argument("--engine", choices=["bshm"], help="our own matting")
    tools.add_argument("--weights", default="auto", help="weights for our own (default: auto)")
    tools.add_argument(
        "--first-look", action="store_true", help="our own without the closer look at small people"
    )
    tools.add_argument("--model", type=Path, action="append", default=[], metavar="FILE.onnx")
    tools.add_argument("--preset", choices=sorted(PRESETS), default="isnet", help="for --model")
    tools.add_argument("--size", type=int, help="input size, instead of the preset's")
    tools.add_argument("--mean", type=float, nargs=3, help="of RGB in 0..1, instead")
    tools.add_argument("--std", type=float, nargs=3, help="of RGB in 0..1, instead")
    tools.add_argument(
        "--mattes", type=Path, action="append", default=[], metavar="FOLDER",
        help="mattes or cutouts that any tool made before",
    )  # fmt: skip
    add("--holdout", action="store_true", help="only the photos never trained on")
    add("--limit", type=int, metavar="N", help="only the first N photos of each set")
    add("--composites", type=Path, metavar="BACKGROUNDS",
        help="measure the people put on these backgrounds instead")  # fmt: skip
    add("--stability", action="store_true", help="also: how much the matte of the same photo "
        "changes when it is moved, encoded again or brightened, on %d photos" % STEADY)  # fmt: skip
    add("--frame", type=float, default=1.0, metavar="K",
        help="composites K times as wide and high as the photo (default: 1)")  # fmt: skip
    add("--seed", type=int, default=0, help="for composites (default: 0)")
    add("--json", type=Path, metavar="FILE", help="write everything, down to single photos")
    add("--sheet", type=Path, metavar="FILE", help="write the first tool's worst cases")
    add("--worst", type=int, default=12, metavar="N", help="how many of them (default: 12)")
    return parser


def _pairs(options: argparse.Namespace) -> list[Pair]:
    pairs, lonely = find_pairs(options.images, options.alphas)
    if lonely:
        print(
            "accuracy: left out %d photos without an alpha, the first is %s"
            % (len(lonely), lonely[0]),
            file=sys.stderr,
        )
    if options.holdout:
        from training.split import held_out

        names = held_out([pair.photo for pair in pairs])
        pairs = [pair for pair in pairs if pair.photo.stem in names]
        if not pairs:
            raise ValueError("none of these photos is held out; leave out --holdout")
    if options.limit:
        groups = itertools.groupby(pairs, key=lambda pair: pair.group)
        pairs = [pair for _, group in groups for pair in list(group)[: options.limit]]
    return pairs


def _tools(options: argparse.Namespace) -> list[Mattes]:
    preset = PRESETS[options.preset]
    preset = Preset(
        options.size or preset.size,
        tuple(options.mean or preset.mean),
        tuple(options.std or preset.std),
        preset.square,
        preset.stretch,
    )
    if options.stability and options.mattes:
        raise ValueError("--mattes were made from the photos and cannot go with --stability")
    if options.composites and options.mattes:
        raise ValueError("--mattes were made from the photos and cannot go with --composites")
    tools: list[Mattes] = [OnnxMattes(path, preset) for path in options.model]
    tools += [StoredMattes(folder) for folder in options.mattes]
    if options.first_look:
        tools.insert(0, FirstLook(options.weights))
    if options.engine or not tools:
        tools.insert(0, OurMattes(options.weights))
    for name, count in Counter(tool.name for tool in tools).items():
        if count > 1:
            raise ValueError("%d tools are called %s; rename the file or folder" % (count, name))
    return tools


def _measure(
    tool: Mattes, pairs: list[Pair], backgrounds: Backgrounds | None, worst: Worst | None
) -> list[Score]:
    scores = []
    for pair in tqdm(pairs, desc=tool.name, unit="photo", disable=None):
        rgb, true = read_photo(pair.photo), read_alpha(pair.alpha)
        if rgb.shape[:2] != true.shape:
            raise ValueError(
                "%s is %d×%d and its alpha %d×%d; they must be of one size"
                % (pair.photo, *rgb.shape[1::-1], *true.shape[::-1])
            )
        if backgrounds:
            rgb, true = backgrounds.put(rgb, true, pair.key.name)
        matte = tool.alpha(rgb, pair.key)
        scores.append(score(pair.key.name, pair.group, matte, true))
        if worst:
            worst.offer(scores[-1], rgb, true, matte)
    return scores


def _report(
    options: argparse.Namespace,
    results: dict[str, list[Score]],
    unsteadiness: dict[str, dict[str, float]],
) -> dict[str, object]:
    return {
        "images": str(options.images),
        "alphas": str(options.alphas),
        "holdout": options.holdout,
        "composites": str(options.composites) if options.composites else None,
        "frame": options.frame,
        "stability": unsteadiness,
        "tools": {
            name: {"sets": by_group(scores), "photos": [one.as_dict() for one in scores]}
            for name, scores in results.items()
        },
    }


if __name__ == "__main__":
    sys.exit(main())
