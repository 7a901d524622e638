"""A film, done: the page of this room to read first.

    frame = film.events()                     packets -> upright RGB with its timestamp     reader
    look = matting.first_look(frame.rgb)      RGB -> alpha at working size                  matting
    look = steady(looks)                      fitted to its neighbours                      steady
    alpha = matting.second_look(look, rgb)    -> alpha at the frame's size                  matting
    cutout = finish(photo, alpha, recipe)     alpha -> what was asked for                   pipeline
    packet = encoder.encode(lay_out(cutout))  -> encoded, with the same timestamp           encoder

A film is made in parts, whole files in a folder beside the output. Once all are there, they are put
together packet by packet with the sound, and the output appears under its name. A pipe has no
second chance: it is read and written in one go (`stream`).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Any, Callable, Iterable, Iterator, NamedTuple

import numpy as np

from bshm import __version__, disk, pipeline
from bshm.errors import InputError, OutputError
from bshm.matting import AlphaMatting, Look
from bshm.pictures import Photo
from bshm.pipeline import Recipe
from bshm.video import animations, inlet
from bshm.video.animations import Animation
from bshm.video.colour import Converter
from bshm.video.encoder import Encoder, open_output
from bshm.video.formats import LOSSLESS, Codec, Format
from bshm.video.join import join
from bshm.video.layout import lay_out
from bshm.video.mattes import WORKERS, ahead, looks
from bshm.video.parts import Part, Parts, whole_file
from bshm.video.reader import Film, Frame
from bshm.video.sound import Sound
from bshm.video.steady import State

PART_FRAMES = 120  # frames: what a kill costs at most, some tens of seconds of work
HEAD = 1 << 20  # bytes at the beginning of a film by which it is known again


@dataclass(frozen=True)
class Order:
    """What is wanted: a film, where it goes, as what, and how.

    source, output: paths, or ``-`` for stdin and stdout; of a sequence of PNGs, the output is a
        folder or a pattern such as ``frames/%06d.png``
    calm: fit each frame's matte to its neighbours
    part_frames: frames of a part
    """

    source: str
    output: str
    form: Format
    recipe: Recipe = field(default_factory=Recipe)
    calm: bool = True
    part_frames: int = PART_FRAMES

    @property
    def codec(self) -> Codec:
        opaque = self.recipe.only_alpha or self.form.stacks
        return self.form.opaque if opaque else self.form.cutout


class Made(NamedTuple):
    """What became of a film.

    frames: in the output; resumed: of them, what an earlier run had made
    faults: lines about what could not be read; notes: lines about what is not as in the source
    """

    frames: int
    resumed: int
    faults: list[str]
    notes: list[str]


class Picture(NamedTuple):
    """A finished frame: laid-out pixels, its time, and the state after it."""

    pixels: np.ndarray
    pts: int
    duration: int
    state: State | None


Told = Callable[[int, int], None]  # frames that are done, frames that are expected or 0


def open_film(source: str) -> Film | Animation:
    """A film or an animated picture. Raises InputError."""
    if source == "-":
        file, head = inlet.from_pipe(sys.stdin.buffer)
        return (Animation if animations.is_animation(head) else Film)(file, "stdin")
    try:
        if os.path.isdir(source):
            raise InputError("is a folder, not a film", source, "not_a_file")
        with open(source, "rb") as opened:
            head = opened.read(inlet.HEAD)
    except OSError as error:
        code = "not_found" if isinstance(error, FileNotFoundError) else "unreadable"
        raise InputError("cannot be read: %s" % error.strerror, source, code) from error
    return (Animation if animations.is_animation(head) else Film)(source, source)


def make(order: Order, matting: AlphaMatting, tell: Told = lambda done, expected: None) -> Made:
    """Make a film; go on where an earlier run of the same order stopped.

    tell: called with each frame that is done, from this thread; what it raises ends the run

    Raises InputError (no film), OutputError, and what matting raises. Parts that are done stay
    whatever is raised.
    """
    with open_film(order.source) as film:
        if "-" in (order.source, order.output):
            return _stream(order, film, matting, tell)
        _keep_inputs(order)
        form = LOSSLESS if order.form.rewrites else order.form
        parts = Parts(_folder(order), _identity(order, matting), form.ending)
        try:
            resumed = parts.frames
            pictures = _pictures(order, matting, film.frames(resumed), parts.state())
            if form.container:
                _make_parts(order, form, film, parts, pictures, tell)
                notes = join(order, film, parts)
            else:
                notes = _make_pngs(order, film, parts, pictures, tell)
            made = Made(parts.frames, resumed, film.faults, [*film.notes, *notes])
            parts.remove()
            return made
        finally:
            parts.close()


def _make_parts(
    order: Order,
    form: Format,
    film: Film | Animation,
    parts: Parts,
    pictures: Iterator[Picture],
    tell: Told,
) -> None:
    codec = order.codec if form is order.form else _lossless(order)
    converter = Converter(film.colour)
    for first in pictures:
        batch = chain([first], islice(pictures, order.part_frames - 1))
        pts: list[int] = []
        with whole_file(parts.path(len(parts.parts) + 1)) as file:
            container = open_output(file, form.container)
            encoder = Encoder(container, codec, converter, film.time_base, film.rate)
            for picture in batch:
                container.mux(
                    list(encoder.encode(picture.pixels, picture.pts - first.pts, picture.duration))
                )
                pts.append(picture.pts)
                last = picture
                tell(parts.frames + len(pts), film.expected)
            container.mux(list(encoder.finish()))
            container.close()
        parts.add(Part(pts, last.duration), last.state)


def _make_pngs(
    order: Order,
    film: Film | Animation,
    parts: Parts,
    pictures: Iterator[Picture],
    tell: Told,
) -> list[str]:
    pattern = png_pattern(order.output)
    for first in pictures:
        pts: list[int] = []
        for picture in chain([first], islice(pictures, order.part_frames - 1)):
            pts.append(picture.pts)
            last = picture
            number = parts.frames + len(pts)
            pipeline.Cutout(picture.pixels).save(pattern % number)
            tell(number, film.expected)
        parts.add(Part(pts, last.duration), last.state)
    times = [float(pts * film.time_base * 1000) for part in parts.parts for pts in part.pts]
    lines = ["# timestamp format v2", *("%.3f" % ms for ms in times)]
    path = Path(pattern).parent / "timestamps.txt"
    disk.write_atomic(path, ("\n".join(lines) + "\n").encode())
    return ["png has no sound: it is left out"] if film.audio else []


def _stream(order: Order, film: Film | Animation, matting: AlphaMatting, tell: Told) -> Made:
    """Read and write in one go, with whatever sound comes between the frames."""
    form = order.form
    if not form.container or form.rewrites:
        raise OutputError(
            "%s cannot be streamed: webm, mov and mp4 can" % form.name,
            order.output,
            "not_streamable",
        )
    # A file that is whole only at its end cannot be read from a pipe; one of fragments can.
    fragments = order.output == "-" and form.container in ("mov", "mp4")
    options = {"movflags": "frag_keyframe+delay_moov+default_base_moof"} if fragments else {}
    target = _stdout() if order.output == "-" else whole_file(Path(order.output))
    done = 0
    with target as file:
        container = open_output(file, form.container, options)
        encoder = Encoder(container, order.codec, Converter(film.colour), film.time_base, film.rate)
        sound = Sound(film.audio, container, form)

        def frames() -> Iterator[Frame]:
            for item in film.events():
                if isinstance(item, Frame):
                    yield item
                else:
                    waiting.append(item)

        waiting: list[Any] = []  # sound that comes before the header is written
        for picture in _pictures(order, matting, frames(), None):
            container.mux(list(encoder.encode(picture.pixels, picture.pts, picture.duration)))
            done += 1
            for packet in waiting:
                sound.mux(packet)
            waiting.clear()
            tell(done, film.expected)
        container.mux(list(encoder.finish()))
        for packet in waiting:
            sound.mux(packet)
        sound.finish()
        container.close()
    return Made(done, 0, film.faults, [*film.notes, *sound.notes])


@contextlib.contextmanager
def _stdout() -> Iterator[Any]:
    """stdout as a stream that cannot be sought in. Raises OutputError where it breaks."""
    try:
        yield _Unseekable(sys.stdout.buffer)
        sys.stdout.buffer.flush()
    except OSError as error:
        raise disk.not_written(Path("stdout"), error) from error


class _Unseekable:
    def __init__(self, file: Any) -> None:
        self._file = file

    def write(self, data: bytes) -> int:
        return self._file.write(data)


def _pictures(
    order: Order, matting: AlphaMatting, frames: Iterable[Frame], before: State | None
) -> Iterator[Picture]:
    """Finished frames, in order; several are under way at once."""

    def finish(item: tuple[Frame, Look, State | None]) -> Picture:
        frame, look, state = item
        alpha = matting.second_look(look, frame.rgb)
        cutout = pipeline.finish(Photo(frame.rgb, None, frame.alpha), alpha, order.recipe)
        pixels = lay_out(cutout.pixels, order.form)
        return Picture(pixels, frame.pts, frame.duration, state)

    with ThreadPoolExecutor(WORKERS) as pool:
        tagged = ((frame, frame.rgb) for frame in frames)
        yield from ahead(pool, finish, looks(pool, matting, tagged, order.calm, before))


def _lossless(order: Order) -> Codec:
    return LOSSLESS.opaque if order.recipe.only_alpha else LOSSLESS.cutout


def png_pattern(output: str) -> str:
    """Of a sequence of PNGs, the names with ``%d`` in them; a folder gets ``%06d.png``."""
    name = os.path.basename(output)
    if not name.lower().endswith(".png"):
        return os.path.join(output, "%06d.png")
    try:
        if name % 1 != name % 2:
            return output
    except (TypeError, ValueError):
        pass
    raise OutputError(
        "is one PNG; a film is a folder of them, or a name with a number such as %06d.png",
        output,
        "no_number",
    )


def _folder(order: Order) -> Path:
    """Where the parts go: hidden, beside the output, on the same disk."""
    if not order.form.container:
        return Path(png_pattern(order.output)).parent / ".bshm-parts"
    path = Path(order.output)
    return path.with_name(".%s.bshm-parts" % path.name)


def _identity(order: Order, matting: AlphaMatting) -> dict[str, Any]:
    """Whatever decides what the parts look like."""
    status = os.stat(order.source)
    with open(order.source, "rb") as file:
        head = hashlib.sha256(file.read(HEAD)).hexdigest()
    weights = os.stat(str(matting.weights.path))
    return {
        "bshm": __version__,
        "source": [status.st_size, status.st_mtime_ns, head],
        "output": order.output,
        "format": order.form.name,
        "recipe": order.recipe.fingerprint(),
        "calm": order.calm,
        "part_frames": order.part_frames,
        "weights": [matting.weights.name, weights.st_size, weights.st_mtime_ns],
    }


def _keep_inputs(order: Order) -> None:
    with contextlib.suppress(OSError):
        if os.path.samefile(order.source, order.output):
            raise OutputError("the film would be overwritten", order.output, "would_overwrite_film")
