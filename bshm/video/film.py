"""A film, done: the page of this room to read first.

    frame = film.events()                     packets -> upright RGB with its timestamp     reader
    look = matting.first_look(frame.rgb)      RGB -> alpha at working size                  matting
    look = matting.closer_look(look, rgb)     people small in the frame seen closer         matting
    look = steadied(looks)                    fitted to its neighbours                      steady
    alpha = matting.enlarge(look, rgb)        -> alpha at the frame's size                  matting
    cutout = finish(photo, alpha, recipe)     alpha -> what was asked for                   pipeline
    or scenery.draw(mood, rgb, alpha)         alpha -> the people on something new          scenery
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
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Any, Callable, ContextManager, Iterator, NamedTuple

from bshm import __version__, disk
from bshm.cutouts.cutout import Composite, Cutout
from bshm.errors import OutputError
from bshm.matting import AlphaMatting
from bshm.pipeline import Recipe
from bshm.scene.background import Named
from bshm.scene.compose import Scene
from bshm.video import own
from bshm.video.animations import Animation
from bshm.video.colour import Converter
from bshm.video.encoder import Encoder, open_output
from bshm.video.formats import LOSSLESS, Codec, Format
from bshm.video.inlet import open_film
from bshm.video.join import join
from bshm.video.mattes import SPEEDS
from bshm.video.parts import Part, Parts
from bshm.video.pictures import Clock, Finished, Maker
from bshm.video.reader import Film, Frame
from bshm.video.scenery import Scenery, is_opaque
from bshm.video.tracks import Tracks, left_out

PART_FRAMES = 120  # frames: what a kill costs at most, some tens of seconds of work
HEAD = 1 << 20  # bytes at the beginning of a film by which it is known again


@dataclass(frozen=True)
class Order:
    """What is wanted: a film, where it goes, as what, and how.

    source, output: paths, or ``-`` for stdin and stdout; of a sequence of PNGs, the output is a
        folder or a pattern such as ``frames/%06d.png``
    speed: how much of it the network sees, as `bshm.video.mattes.SPEEDS` names it
    steady: fit each frame's matte to its neighbours
    part_frames: frames of a part
    background: what the scene's picture was read from, if it was a file
    may_replace_foreign: the user named the very file, or said so
    """

    source: str
    output: str
    form: Format
    recipe: Recipe = field(default_factory=Recipe)
    speed: str = "fast"
    steady: bool = True
    part_frames: int = PART_FRAMES
    background: str = ""
    may_replace_foreign: bool = False

    @property
    def scene(self) -> Scene | None:
        """What people are put on; a picture that it only names is a film."""
        return None if self.recipe.only_alpha else self.recipe.scene

    @property
    def is_streamed(self) -> bool:
        """Whether it comes out of a pipe or goes into one, or into a device."""
        return self.source == "-" or self.flows_out

    @property
    def flows_out(self) -> bool:
        """Whether the output is no file: stdout, a named pipe, a device."""
        return self.output == "-" or disk.takes_a_stream(self.output)

    @property
    def opaque(self) -> bool:
        """Whether frames have no transparency. Where the format has none, a background ends it."""
        if self.recipe.only_alpha:
            return True
        behind = self.scene is not None and self.scene.behind is not None
        return behind and (self.form.stacks or is_opaque(self.scene or Scene()))

    @property
    def codec(self) -> Codec:
        return self.form.opaque if self.opaque or self.form.stacks else self.form.cutout


class Made(NamedTuple):
    """What became of a film.

    frames: in the output; resumed: of them, what an earlier run had made
    faults: lines about what could not be read; notes: lines about what is not as in the source
    """

    frames: int
    resumed: int
    faults: list[str]
    notes: list[str]


def check(order: Order) -> None:
    """Raise OutputError where it is plain before anything is read that the output cannot be."""
    if order.is_streamed and (not order.form.container or order.form.rewrites):
        reason = "%s cannot be streamed: webm, mov and mp4 can" % order.form.name
        raise OutputError(reason, order.output, "not_streamable")
    if not order.flows_out:
        if order.form.container:
            disk.refuse_folder(Path(order.output))
        _keep_inputs(order)
        if not order.may_replace_foreign:
            own.check(order.output, order.form)


Told = Callable[[int, int], None]  # frames that are done, frames that are expected or 0


def make(order: Order, matting: AlphaMatting, tell: Told = lambda done, expected: None) -> Made:
    """Make a film; go on where an earlier run of the same order stopped.

    tell: called with each frame that is done, from this thread; what it raises ends the run

    Raises InputError (no film), OutputError, and what matting raises. Parts that are done stay
    whatever is raised.
    """
    check(order)
    if not order.flows_out:
        disk.clear_up(_beside(order))
    with open_film(order.source) as film:
        if order.is_streamed:
            return _stream(order, film, matting, tell)
        form = LOSSLESS if order.form.rewrites else order.form
        frames_at = "" if form.container else own.png_pattern(order.output)
        parts = Parts(_folder(order), _identity(order, matting), form.ending, frames_at)
        try:
            resumed = parts.frames
            with _maker(order, matting, film) as maker:
                pictures = maker.pictures(film.frames(resumed), parts.after())
                if form.container:
                    _make_parts(order, form, film, parts, pictures, tell)
                else:
                    _make_pngs(order, film, parts, pictures, tell)
            # Frames and scenery are gone by now, and their memory does for the packets' times.
            if form.container:
                faults, notes = join(order, film, parts)
            else:
                faults, notes = [], left_out(film.tracks, form)
            notes = [*film.notes, *maker.notes, *notes]
            made = Made(parts.frames, resumed, [*film.faults, *faults], notes)
            parts.remove()
            return made
        finally:
            parts.close()


def _make_parts(
    order: Order,
    form: Format,
    film: Film | Animation,
    parts: Parts,
    pictures: Iterator[Finished],
    tell: Told,
) -> None:
    codec = order.codec if form is order.form else _lossless(order)
    converter = Converter(film.colour)
    for first in pictures:
        batch = chain([first], islice(pictures, order.part_frames - 1))
        pts: list[int] = []
        with disk.written_whole(parts.path(len(parts.parts) + 1), synced=True) as file:
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
        parts.add(Part(pts, last.duration), last.after)


def _make_pngs(
    order: Order,
    film: Film | Animation,
    parts: Parts,
    pictures: Iterator[Finished],
    tell: Told,
) -> None:
    pattern = own.png_pattern(order.output)
    for first in pictures:
        pts: list[int] = []
        for picture in chain([first], islice(pictures, order.part_frames - 1)):
            pts.append(picture.pts)
            last = picture
            number = parts.frames + len(pts)
            kind = Cutout if picture.pixels.ndim == 2 else Composite
            data = kind(picture.pixels).encode("png", mark=own.FRAME)
            disk.write_atomic(own.frame_path(pattern, number), data)
            tell(number, film.expected)
        parts.add(Part(pts, last.duration), last.after)
    own.remove_frames(order.output, parts.frames)
    times = [float(pts * film.time_base * 1000) for part in parts.parts for pts in part.pts]
    lines = ["# timestamp format v2", *("%.3f" % ms for ms in times)]
    path = Path(pattern).parent / own.TIMES
    disk.write_atomic(path, ("\n".join(lines) + "\n").encode())


def _stream(order: Order, film: Film | Animation, matting: AlphaMatting, tell: Told) -> Made:
    """Read and write in one go, with whatever sound and subtitles come between the frames."""
    form = order.form
    # A file that is whole only at its end cannot be read from a pipe; one of fragments can.
    fragments = order.flows_out and form.container in ("mov", "mp4")
    options = {"movflags": "frag_keyframe+delay_moov+default_base_moof"} if fragments else {}
    if order.flows_out:
        target = _pipe(order.output)
    else:
        target = disk.written_whole(Path(order.output), synced=True)
    done = 0
    with target as file, _maker(order, matting, film) as maker:
        container = open_output(file, form.container, options)
        encoder = Encoder(container, order.codec, Converter(film.colour), film.time_base, film.rate)
        tracks = Tracks(film.tracks, container, form)

        def frames() -> Iterator[Frame]:
            for item in film.events():
                if isinstance(item, Frame):
                    yield item
                else:
                    waiting.append(item)

        waiting: list[Any] = []  # what comes before the header is written
        for picture in maker.pictures(frames()):
            container.mux(list(encoder.encode(picture.pixels, picture.pts, picture.duration)))
            done += 1
            for packet in waiting:
                tracks.mux(packet)
            waiting.clear()
            tell(done, film.expected)
        container.mux(list(encoder.finish()))
        for packet in waiting:
            tracks.mux(packet)
        tracks.finish()
        container.close()
        if not order.flows_out:
            own.mark(file, form.name)
    notes = [*film.notes, *maker.notes, *tracks.notes]
    return Made(done, 0, [*film.faults, *tracks.faults], notes)


@contextlib.contextmanager
def _pipe(output: str) -> Iterator[Any]:
    """stdout or what is no file, as a stream that cannot be sought in.

    Raises OutputError where it breaks.
    """
    try:
        with _stdout() if output == "-" else open(output, "wb") as pipe:
            yield _Unseekable(pipe)
            pipe.flush()
    except OSError as error:
        raise disk.not_written(Path("stdout" if output == "-" else output), error) from error


def _stdout() -> ContextManager[Any]:
    if sys.stdout is None:
        raise OutputError("cannot be written: it is closed", "stdout", "not_written")
    return contextlib.nullcontext(sys.stdout.buffer)


class _Unseekable:
    def __init__(self, file: Any) -> None:
        self._file = file

    def write(self, data: bytes) -> int:
        return self._file.write(data)


@contextlib.contextmanager
def _maker(order: Order, matting: AlphaMatting, film: Film | Animation) -> Iterator[Maker]:
    scene, size = order.scene, (film.height, film.width)
    scenery = Scenery(scene, size, order.opaque) if scene else None
    clock = Clock(film.time_base, film.begin)
    pace = SPEEDS[order.speed]._replace(steady=order.steady, anew=order.part_frames)
    try:
        yield Maker(matting, order.recipe, order.form, pace, clock, scenery)
    finally:
        if scenery:
            scenery.close()


def _lossless(order: Order) -> Codec:
    return LOSSLESS.opaque if order.opaque else LOSSLESS.cutout


def _beside(order: Order) -> Path:
    """The folder that the output is in; a link is followed."""
    if order.form.container:
        return Path(os.path.realpath(order.output)).parent
    return Path(own.png_pattern(order.output)).parent


def _folder(order: Order) -> Path:
    """Where the parts go: hidden, beside the output."""
    name = os.path.basename(os.path.realpath(order.output))
    return _beside(order) / (".%s.bshm-parts" % name if order.form.container else ".bshm-parts")


def _identity(order: Order, matting: AlphaMatting) -> dict[str, Any]:
    """Whatever decides what the parts look like."""
    weights = os.stat(str(matting.weights.path))
    behind = order.scene.behind if order.scene else None
    return {
        "bshm": __version__,
        "source": _identity_of(order.source),
        "behind": _identity_of(behind.name) if isinstance(behind, Named) else None,
        "output": order.output,
        "format": order.form.name,
        "recipe": order.recipe.fingerprint(),
        "steady": order.steady,
        "speed": order.speed,
        "part_frames": order.part_frames,
        "weights": [matting.weights.name, weights.st_size, weights.st_mtime_ns],
    }


def _identity_of(film: str) -> list[Any]:
    status = os.stat(film)
    with open(film, "rb") as file:
        return [status.st_size, status.st_mtime_ns, hashlib.sha256(file.read(HEAD)).hexdigest()]


def _keep_inputs(order: Order) -> None:
    behind = order.scene.behind if order.scene else None
    name = behind.name if isinstance(behind, Named) else order.background
    for what, file in (("film", order.source), ("background", name)):
        with contextlib.suppress(OSError, ValueError):  # stdin, a colour, an address
            status = os.stat(file)
            for path in own.in_the_way(order.output, order.form):
                if os.path.samestat(status, os.stat(str(path))):
                    reason = "the %s would be overwritten" % what
                    raise OutputError(reason, str(path), "would_overwrite_film")
