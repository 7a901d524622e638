"""Time and memory against megapixels, a line a tool. Needs matplotlib."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from benchmarks.speed_report import MEGAPIXELS, medians, names


def plot(report: dict, path: Path) -> None:
    """Write the plot, in the format of the path's suffix, from the warm samples of a report."""
    # Figure, not pyplot: nothing global, and no window system is looked for.
    figure = Figure(figsize=(10, 4), layout="constrained")
    time, memory = figure.subplots(1, 2)
    for tool in names(report, "tool"):
        points = [(MEGAPIXELS[task], medians(report, task, tool)) for task in MEGAPIXELS]
        points = [(x, y) for x, y in points if y and "error" not in y]
        if points:
            sizes = [x for x, _ in points]
            time.plot(sizes, [y["seconds"] for _, y in points], marker="o", label=tool)
            memory.plot(sizes, [y["peak_mb"] for _, y in points], marker="o", label=tool)
    for axes, title in ((time, "seconds a photo, warm"), (memory, "peak memory, MB")):
        axes.set(xscale="log", yscale="log", xlabel="megapixels", title=title)
        axes.set_xticks(
            list(MEGAPIXELS.values()), ["%.3g\n%s" % (x, t) for t, x in MEGAPIXELS.items()]
        )
        axes.xaxis.set_minor_formatter("")
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter("")
        axes.grid(visible=True, which="both", alpha=0.3)
    time.legend()
    facts = report["machine"]
    figure.suptitle("%(cpu)s, %(cores)s cores, %(date)s" % facts, fontsize="small")
    figure.savefig(path, dpi=120)
