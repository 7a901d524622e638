"""Scores of single photos, and their summary over sets of photos."""

from __future__ import annotations

from typing import NamedTuple, Sequence

import numpy as np

from benchmarks import metrics

COLUMNS = [
    ("photos", "photos", "%d"),
    ("mean_iou", "mean IoU", "%.4f"),
    ("foreground_iou", "fg IoU", "%.4f"),
    ("photo_iou", "fg IoU a photo", "%.4f"),
    ("below_090", "photos < 0.9", "%.1f %%"),
    ("mad", "MAD", "%.4f"),
    ("mse", "MSE", "%.4f"),
    ("sad", "SAD", "%.2f"),
    ("grad", "Grad", "%.2f"),
    ("conn", "Conn", "%.2f"),
]


class Score(NamedTuple):
    """All measures of one photo."""

    stem: str
    group: str
    counts: metrics.Counts
    mad: float
    mse: float
    sad: float
    grad: float
    conn: float

    def as_dict(self) -> dict[str, object]:
        """For JSON: the photo's own IoUs instead of its counts."""
        named = {**self._asdict(), "foreground_iou": metrics.foreground_iou(self.counts)}
        del named["counts"]
        return named


def score(stem: str, group: str, predicted: np.ndarray, true: np.ndarray) -> Score:
    """Measure one alpha, float32 [H, W] in 0..1, against the true one of the same size."""
    if predicted.shape != true.shape:
        raise ValueError(
            "%s: the matte is %d×%d and the true alpha %d×%d; they must be of one size"
            % (stem, *predicted.shape[::-1], *true.shape[::-1])
        )
    measures = (metrics.mad, metrics.mse, metrics.sad, metrics.grad, metrics.conn)
    return Score(
        stem, group, metrics.count(predicted, true), *(m(predicted, true) for m in measures)
    )


def summarise(scores: Sequence[Score]) -> dict[str, float]:
    """IoU over all pixels of the set; every other measure is the mean over its photos."""
    total = metrics.Counts()
    for one in scores:
        total = total.plus(one.counts)
    ious = np.array([metrics.foreground_iou(one.counts) for one in scores])
    return {
        "photos": len(scores),
        "mean_iou": metrics.mean_iou(total),
        "foreground_iou": metrics.foreground_iou(total),
        "photo_iou": float(ious.mean()),
        "below_090": 100 * float((ious < 0.9).mean()),
        **{
            name: float(np.mean([getattr(one, name) for one in scores]))
            for name in ("mad", "mse", "sad", "grad", "conn")
        },
    }


def by_group(scores: Sequence[Score]) -> dict[str, dict[str, float]]:
    """A summary for every group, and for all photos where there are several groups."""
    groups = sorted({one.group for one in scores})
    rows = {group: summarise([s for s in scores if s.group == group]) for group in groups}
    if len(groups) > 1:
        rows["together"] = summarise(scores)
    return rows


def table(results: dict[str, dict[str, dict[str, float]]]) -> str:
    """A Markdown table of {tool: {group: summary}}, groups together so that tools compare."""
    heads = ["set", "tool", *(title for _, title, _ in COLUMNS)]
    lines = ["| " + " | ".join(heads) + " |", "|---|---|" + "---:|" * len(COLUMNS)]
    groups = list(dict.fromkeys(group for rows in results.values() for group in rows))
    for group in groups:
        for tool, rows in results.items():
            cells = [form % rows[group][key] for key, _, form in COLUMNS]
            lines.append("| " + " | ".join([group, tool, *cells]) + " |")
    return "\n".join(lines)
