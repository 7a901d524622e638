"""The samples of speed.py as a table. Standard library only, as measure.py asks."""

from __future__ import annotations

import statistics

TITLES = {
    "help": "`--help`",
    "import": "import",
    "cold": "cold process, 1080p",
    "540p": "warm, 540p (0.5 MP)",
    "1080p": "warm, 1080p (2 MP)",
    "4K": "warm, 4K (8 MP)",
    "8K": "warm, 8K (33 MP)",
    "100MP": "warm, 100 MP",
    "folder": "folder of %d, 1080p",
}
MEGAPIXELS = {"540p": 0.5184, "1080p": 2.0736, "4K": 8.2944, "8K": 33.1776, "100MP": 100.160064}


def medians(report: dict, task: str, tool: str) -> dict | None:
    """Median seconds and median peak MB of one task by one tool, or its error, or None."""
    samples = [s for s in report["samples"] if s["task"] == task and s["tool"] == tool]
    errors = [s["error"] for s in samples if "error" in s]
    if errors:
        return {"error": errors[0]}
    if not samples:
        return None
    return {
        "seconds": statistics.median(t for s in samples for t in s["seconds"]),
        "peak_mb": statistics.median(s["peak_mb"] for s in samples),
    }


def names(report: dict, key: str) -> list[str]:
    """The tasks or the tools of a report, in the order they came."""
    return list(dict.fromkeys(sample[key] for sample in report["samples"]))


def table(report: dict) -> str:
    """Markdown: the machine, a row a task and a column a tool, and what was not there."""
    facts = report["machine"]
    used = names(report, "tool")
    lines = [
        "%(date)s, %(cpu)s, %(cores)s cores, %(memory)s, %(system)s, Python %(python)s; "
        "load average %(load_before).1f before and %(load_after).1f after; "
        "medians, rounds: %(rounds)d." % facts,
        "",
        "| | " + " | ".join(used) + " |",
        "|---|" + "---:|" * len(used),
    ]
    for task in names(report, "task"):
        title = TITLES[task] % facts["photos"] if task == "folder" else TITLES[task]
        base = medians(report, task, used[0])
        cells = [_cell(medians(report, task, t), base, task, facts["photos"]) for t in used]
        lines.append("| %s | %s |" % (title, " | ".join(cells)))
    lines += ["", "Each cell: seconds, (times as long as %s), peak memory." % used[0]]
    lines += ["Not installed: %s (`%s`)." % item for item in report["missing"].items()]
    return "\n".join(lines)


def _cell(one: dict | None, base: dict | None, task: str, photos: int) -> str:
    if one is None:
        return "–"
    if "error" in one:
        return "failed: %s" % one["error"].replace("|", "/")
    text = "%.*f s" % (1 if one["seconds"] >= 10 else 2, one["seconds"])
    if task == "folder":
        text += " = %.2f/s" % (photos / one["seconds"])
    if base and one is not base and "seconds" in base and one != base:
        text += " (%.1f×)" % (one["seconds"] / base["seconds"])
    return "%s, %.0f MB" % (text, one["peak_mb"])
