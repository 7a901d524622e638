"""Thousands of photos in one run: ``python benchmarks/soak.py``. Memory has to stay flat.

Makes small photos of every common format, with some broken ones among them, runs the real command
once over their folder, and samples the resident memory of its process when photos are done. Exits
with 1 if a photo is not reported as it should be, or if memory grew by more than a tenth between
a tenth of the way and the end. Linux only: memory is read from /proc.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from io import BytesIO
from pathlib import Path

from PIL import Image

# Run as a file, Python looks beside it; the packages are one folder up.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.measure import machine
from benchmarks.photos import PORTRAITS

ROOT = Path(__file__).resolve().parents[1]
FORMATS = [("jpg", "JPEG"), ("png", "PNG"), ("webp", "WEBP"), ("tif", "TIFF"), ("bmp", "BMP")]
BROKEN_EACH = 50  # of so many photos one is broken
MARKS = (0.1, 0.5, 1)
MAY_GROW = 1.1


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="soak", description=__doc__)
    parser.add_argument("--photos", type=int, default=3000, metavar="N", help="default: 3000")
    parser.add_argument("--width", type=int, default=160)
    parser.add_argument("--height", type=int, default=120)
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="bshm-soak-") as work:
        folder = Path(work) / "in"
        broken = make(folder, options.photos, (options.width, options.height))
        seconds, failed, memory = soak(folder, Path(work) / "out", options.photos)
    as_expected = failed == broken
    begin, end = memory[0], memory[-1]
    facts = machine()
    print("%(date)s, %(cpu)s, %(cores)s cores, Python %(python)s\n" % facts)
    print("| photos | size | s | photos/s | MB at 10 % | MB at 50 % | MB at 100 % | failed |")
    print("|---:|---|---:|---:|---:|---:|---:|---|")
    row = [options.photos, "%d×%d" % (options.width, options.height)]
    row += ["%.0f" % seconds, "%.1f" % (options.photos / seconds), *("%.0f" % m for m in memory)]
    row += ["%d of %d expected" % (len(failed & broken), len(broken))]
    print("| %s |" % " | ".join(map(str, row)))
    if not as_expected:
        print("soak: reported wrongly: %s" % sorted(failed ^ broken)[:10], file=sys.stderr)
    if end > MAY_GROW * begin:
        print("soak: memory grew from %.0f to %.0f MB" % (begin, end), file=sys.stderr)
    return 0 if as_expected and end <= MAY_GROW * begin else 1


def make(folder: Path, count: int, size: tuple[int, int]) -> set[str]:
    """Make the photos; returns the names of those that are broken."""
    folder.mkdir()
    contents, broken = _contents(size), set()
    for number in range(count):
        suffix, data = contents[number % len(contents)]
        path = folder / ("%05d.%s" % (number, suffix))
        if number % BROKEN_EACH == BROKEN_EACH - 1:
            # Cut short, empty, and something else, by turns.
            data = (data[: len(data) // 3], b"", b"<html>")[number // BROKEN_EACH % 3]
            broken.add(str(path))
        path.write_bytes(data)
    return broken


def _contents(size: tuple[int, int]) -> list[tuple[str, bytes]]:
    """Every portrait in every format, upright and mirrored."""
    contents = []
    for portrait in PORTRAITS:
        with Image.open(portrait) as picture:
            photo = picture.convert("RGB").resize(size)
        for turned in (photo, photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT)):
            for suffix, kind in FORMATS:
                file = BytesIO()
                turned.save(file, kind)
                contents.append((suffix, file.getvalue()))
    return contents


def soak(folder: Path, out: Path, count: int) -> tuple[float, set[str], list[float]]:
    """One run: its seconds, the photos it reported as failed, and MB of memory at the marks."""
    marks = [max(1, round(share * count)) for share in MARKS]
    command = [sys.executable, str(ROOT / "inference_bshm.py"), "--json", "-q"]
    failed: set[str] = set()
    memory: list[float] = []
    start = time.perf_counter()
    with subprocess.Popen(
        [*command, "-i", str(folder), "-d", str(out)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        resident = 0.0
        for number, line in enumerate(process.stdout, 1):
            resident = _resident_mb(process.pid) or resident  # it may be gone after the last line
            if number in marks:
                memory.append(resident)
            record = json.loads(line)
            if record["status"] == "failed":
                failed.add(record["input"])
    return time.perf_counter() - start, failed, memory


def _resident_mb(pid: int) -> float:
    """Resident memory of a process in 10^6 bytes, 0 if it is gone."""
    try:
        status = Path("/proc/%d/status" % pid).read_text("utf-8")
    except OSError:
        return 0
    kib = [int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")]
    return kib[0] * 1024 / 1e6 if kib else 0


if __name__ == "__main__":
    sys.exit(main())
