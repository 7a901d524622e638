"""How fast `bshm video` is, and how much memory it takes: the whole command, file to file.

    python -m benchmarks.video_speed                    # 1080p and 720p, fast and best
    python -m benchmarks.video_speed --memory           # an hour against a minute

Films are made of a sample portrait that sways before another picture, with noise, as H.264; the
background is a picture, which also lights the person. Frames a second are all frames by all of the
time, from the start of the process to its end; processor time is that of all threads, and says more
on a machine that does other work. Memory is the largest resident set of the process.
The hour is one of small frames, three a second, with a stand-in for the network, so that it ends.
`--memory --real` takes the real network, and the same 300 frames in a minute and in 100 minutes:
these have as many packets of sound as an hour of film has with its pictures, 30 a second.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path
from typing import Any, Callable, Iterator

import av
import cv2
import numpy as np

from benchmarks.video_faults import STAND_IN

SAMPLES = Path(__file__).parent.parent / "image-matting"
SIZES = {"1080p": (1920, 1080), "720p": (1280, 720)}


def sway(width: int, height: int, count: int) -> Iterator[np.ndarray]:
    """Frames of a portrait that moves to and fro before a blurred picture."""
    photo = cv2.cvtColor(cv2.imread(str(SAMPLES / "1.png")), cv2.COLOR_BGR2RGB)
    behind = cv2.GaussianBlur(cv2.resize(photo[:200], (width, height)), (0, 0), height / 20)
    photo = cv2.resize(photo, (photo.shape[1] * height // photo.shape[0], height))
    noise = np.random.default_rng(0).normal(0, 2, (height, width, 3))
    for number in range(count):
        left = (width - photo.shape[1]) // 2 + round(height / 30 * np.sin(number / 8))
        frame = behind.astype(np.float32)
        frame[:, left : left + photo.shape[1]] = photo
        frame += np.roll(noise, 37 * number, axis=1)
        yield np.clip(frame, 0, 255).astype(np.uint8)


def write(path: Path, frames: Iterator[np.ndarray], size: tuple[int, int], rate: Fraction) -> None:
    """A film of frames, with a tone."""
    with av.open(str(path), "w") as out:
        options = {"crf": "20", "preset": "veryfast"}
        stream: Any = out.add_stream("libx264", rate=rate, options=options)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        track: Any = out.add_stream("aac", rate=48000, layout="mono")
        for number, rgb in enumerate(frames, 1):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")))
            samples = int(48000 / rate)
            sound = np.zeros((1, samples), np.float32)
            tone = av.AudioFrame.from_ndarray(sound, "fltp", "mono")
            tone.rate, tone.time_base = 48000, Fraction(1, 48000)
            tone.pts = (number - 1) * samples
            out.mux(track.encode(tone))
        out.mux(stream.encode(None))
        out.mux(track.encode(None))


def run(command: list[str]) -> tuple[float, float, float]:
    """Of a process: seconds, seconds of processor time, MiB."""
    begun = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit("%s ended with %d" % (" ".join(command), status))
    spent = usage.ru_utime + usage.ru_stime
    return time.perf_counter() - begun, spent, usage.ru_maxrss / 1024


def command(source: str | Path, output: str | Path, *flags: str) -> list[str]:
    return [sys.executable, "-m", "bshm", "video", str(source), "-o", str(output), "-q", *flags]


def speed(folder: Path, count: int) -> None:
    print("| film | speed | frames/s | CPU a frame | MiB |\n|---|---|---:|---:|---:|")
    for name, (width, height) in SIZES.items():
        source = folder / (name + ".mp4")
        write(source, sway(width, height, count), (width, height), Fraction(25))
        for pace in ("best", "fast"):
            flags = ("--speed", pace, "--background", str(SAMPLES / "2.png"))
            seconds, spent, memory = run(command(source, folder / "out.mp4", *flags))
            row = name, pace, count / seconds, 1e3 * spent / count, memory
            print("| %s | %s | %.2f | %.0f ms | %.0f |" % row, flush=True)


def memory(folder: Path) -> None:
    """An hour of frames against a minute of them, with a stand-in for the network."""
    stand_in = STAND_IN.replace("time.sleep(0.01)", "").replace("part_frames=5, ", "")
    lengths = [(180, Fraction(3)), (10800, Fraction(3))]
    compare(folder, (128, 96), lengths, lambda *paths: [sys.executable, "-c", stand_in, *paths])


def memory_real(folder: Path) -> None:
    """The whole command: frames of a minute against the same of 100."""
    flags = ("--speed", "fast", "--background", "white")
    for size in ((640, 360), (1920, 1080)):
        lengths = [(300, Fraction(5)), (300, Fraction(1, 20))]
        compare(folder, size, lengths, lambda *paths: command(*paths[:2], *flags))


def compare(
    folder: Path,
    size: tuple[int, int],
    lengths: list[tuple[int, Fraction]],
    line: Callable[..., list[str]],
) -> None:
    """Memory that films of some lengths, as frames and frames a second, take."""
    source, output = str(folder / "in.mp4"), str(folder / "out.mp4")
    found = []
    for count, rate in lengths:
        write(Path(source), sway(*size, count), size, rate)
        seconds, _, mib = run(line(source, output, "white"))
        found.append(mib)
        row = (*size, count, count / rate, mib, seconds)
        print("%d×%d, %6d frames, %4.0f s of film: %.1f MiB in %.0f s" % row, flush=True)
    print("%+.1f %%" % (100 * (found[1] / found[0] - 1)), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--real", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if args.memory:
            (memory_real if args.real else memory)(Path(folder))
        else:
            speed(Path(folder), args.frames)


if __name__ == "__main__":
    main()
