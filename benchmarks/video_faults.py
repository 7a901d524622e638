"""Films that are killed at random, or run out of disk: whether the same command finishes them.

    python -m benchmarks.video_faults --trials 50                 # a stand-in for the network
    python -m benchmarks.video_faults --trials 6 --real           # `bshm video` as it is

Each trial makes one film, kills its process with SIGKILL at a random moment, or lets every file end
at a random size as a full disk does, some times over, and then lets the same command finish. The
film must have every byte of the one that was never disturbed, and nothing else may be left over.
"""

from __future__ import annotations

import argparse
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Callable

import av
import cv2
import numpy as np

ENDINGS = ("mp4", "webm", "mov", "gif", "f/%04d.png")
BACKGROUNDS = (None, "white", "blur:0.5", "BEHIND")
DISTURBED = 3  # times at most, before a film may finish
# The stand-in: red is a person, after about as long as a small network takes.
STAND_IN = """
import sys, time
from bshm.errors import BshmError
from bshm.pipeline import Recipe
from bshm.scene.background import Named
from bshm.scene.compose import scene_of
from bshm.video import film, formats
from tests.video.films import Keyed

class Slow(Keyed):
    def first_look(self, rgb):
        time.sleep(0.01)
        return super().first_look(rgb)

source, output, behind = sys.argv[1:]
scene = None
if behind:
    scene = scene_of(Named(behind) if behind.endswith(".mp4") else behind, shadow="auto")
form = formats.choose(output, None)
replace = {"may_replace_foreign": True}
order = film.Order(source, output, form, Recipe(scene=scene), part_frames=5, **replace)
try:
    film.make(order, Slow())
except BshmError as error:
    sys.exit(str(error))
"""


def write_film(path: Path, count: int, portrait: Path | None) -> None:
    """A film with sound and uneven times: a red square that moves, or a portrait that does."""
    chance = random.Random(1)
    photo = None
    if portrait:
        photo = cv2.cvtColor(cv2.imread(str(portrait)), cv2.COLOR_BGR2RGB)
        photo = cv2.resize(photo, (216, 280), interpolation=cv2.INTER_AREA)
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream("libx264", rate=25, options={"crf": "18"})
        stream.width, stream.height, stream.pix_fmt = 192, 256, "yuv420p"
        track: Any = out.add_stream("aac", rate=48000, layout="mono")
        stream.time_base = stream.codec_context.time_base = unit = _unit()
        at = 0
        for number in range(count):
            if photo is not None:
                rgb = np.ascontiguousarray(photo[number % 24 :][:256, number % 20 :][:, :192])
            else:
                rgb = np.full((256, 192, 3), 90, np.uint8)
                rgb[64:192, 10 + 3 * number % 100 :][:, :60] = (230, 20, 20)
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
            frame.pts, frame.time_base = at, unit
            at += chance.choice((20, 24, 31))
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
        wave = np.random.default_rng(0).normal(size=(1, int(at * unit * 48000))) * 0.1
        sound = av.AudioFrame.from_ndarray(wave.astype(np.float32), "fltp", "mono")
        sound.rate, sound.pts = 48000, 0
        out.mux(track.encode(sound))
        out.mux(track.encode(None))


def _unit() -> Any:
    from fractions import Fraction

    return Fraction(1, 600)


def contents(folder: Path) -> dict[str, bytes]:
    """All files below a folder, hidden ones, too."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


class Trials:
    """Films that are disturbed, beside the same films that are not."""

    def __init__(self, folder: Path, real: bool, seed: int) -> None:
        self.folder, self.real, self.chance = folder, real, random.Random(seed)
        self.kills = self.full = 0
        self.whole: dict[tuple[str, str | None], tuple[dict[str, bytes], float]] = {}
        portrait = Path(__file__).parent.parent / "image-matting" / "1.png" if real else None
        write_film(folder / "in.mkv", 140 if real else 43, portrait)
        write_film(folder / "BEHIND.mp4", 17, None)

    def command(self, output: Path, background: str | None) -> list[str]:
        behind = str(self.folder / "BEHIND.mp4") if background == "BEHIND" else background
        source = str(self.folder / "in.mkv")
        if not self.real:
            return [sys.executable, "-c", STAND_IN, source, str(output), behind or ""]
        command = [sys.executable, "-m", "bshm", "video", source, "-o", str(output), "-q"]
        return command + (["--background", behind] if behind else [])

    def undisturbed(self, ending: str, background: str | None) -> tuple[dict[str, bytes], float]:
        """The film as it should be, and how many seconds it takes."""
        if (ending, background) not in self.whole:
            home = self.folder / "whole" / str(len(self.whole))
            (home / ("out." + ending)).parent.mkdir(parents=True)
            begun = time.monotonic()
            subprocess.run(
                self.command(home / ("out." + ending), background),
                check=True,
                stdout=subprocess.DEVNULL,
            )
            self.whole[ending, background] = contents(home), time.monotonic() - begun
        return self.whole[ending, background]

    def run(self, number: int) -> bool:
        """One trial; whether the film came out as it should."""
        ending, background = self.chance.choice(ENDINGS), self.chance.choice(BACKGROUNDS)
        expected, seconds = self.undisturbed(ending, background)
        home = self.folder / ("trial-%d" % number)
        output = home / ("out." + ending)
        output.parent.mkdir(parents=True)
        for _ in range(self.chance.randint(1, DISTURBED)):
            disturb = self.chance.choice((self._kill, self._fill))
            disturb(self.command(output, background), seconds, max(map(len, expected.values())))
        done = subprocess.run(
            self.command(output, background), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        same = done.returncode == 0 and contents(home) == expected
        if not same:
            print("trial %d: %s, %s: %r" % (number, ending, background, done.stderr[-300:]))
        shutil.rmtree(home)
        return same

    def _kill(self, command: list[str], seconds: float, size: int) -> None:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.wait(self.chance.uniform(0.1, 1.0) * seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            self.kills += 1
        process.wait()

    def _fill(self, command: list[str], seconds: float, size: int) -> None:
        room = self.chance.randint(200, size)
        done = subprocess.run(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, preexec_fn=_limit(room)
        )
        self.full += done.returncode != 0
        if done.returncode not in (0, 1) or b"Traceback" in done.stderr:
            print("a full disk ends with %d: %r" % (done.returncode, done.stderr[-300:]))


def _limit(room: int) -> Callable[[], None]:
    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))

    return limit


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=50)
    parser.add_argument("--real", action="store_true", help="the real network, real command")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        trials = Trials(Path(folder), args.real, args.seed)
        good = []
        for number in range(args.trials):
            good.append(trials.run(number))
            print("%d of %d so far" % (sum(good), len(good)), file=sys.stderr, flush=True)
        tally = "%d of %d films came out as they should; %d kills, %d full disks"
        print(tally % (sum(good), len(good), trials.kills, trials.full))
    sys.exit(not all(good))


if __name__ == "__main__":
    main()
