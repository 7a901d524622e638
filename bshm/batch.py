"""Many photos: read ahead, matte, write behind; one result each, in order.

URLs are fetched by several threads, for they wait on the network; files are read, and all photos
decoded, by one, matted by the caller's, encoded and written by one more. Every queue is bounded,
so memory does not grow with the number of photos.
"""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Callable, Iterable, Iterator, NamedTuple

import cv2
import numpy as np

from bshm import images, png
from bshm.errors import BshmError, OutputError
from bshm.timing import Timings

if TYPE_CHECKING:
    from bshm.matting import Matting
    from bshm.sources import Source

FETCH_AHEAD = 8  # photos that are looked up; of those, URLs are held or under way
DECODE_AHEAD = 2  # decoded photos: the one at work and the next
WRITE_BEHIND = 1  # finished mattes that wait while the next photo is matted


class Job(NamedTuple):
    """One photo and where its cutout goes: a PNG file, or None for ``Options.stdout``."""

    source: Source
    output: Path | None


@dataclass(frozen=True)
class Options:
    """What every photo of a run has in common."""

    only_alpha: bool = False  # write the matte as a grey PNG instead of the cutout
    skip_existing: bool = False
    max_pixels: int = images.MAX_PIXELS
    stdout: Callable[[bytes], None] | None = None


@dataclass
class Result:
    """What became of one photo; ``status`` is ``done``, ``skipped`` or ``failed``."""

    job: Job
    status: str
    error: str = ""
    size: int = 0  # bytes of the photo's file
    width: int = 0
    height: int = 0
    timings: Timings = field(default_factory=Timings)


def plan(sources: Iterable[Source], folder: Path) -> Iterator[Job]:
    """Give each source a PNG of its own below ``folder``, as ``<stem>.png``.

    A name that an earlier source took gets a number. Raises nothing: a source whose cutout would
    overwrite an input keeps that path, and :func:`run` refuses it.
    """
    taken = set()
    for source in sources:
        base = folder / source.parent / source.stem
        output, number = base.with_name(base.name + ".png"), 1
        while str(output).casefold() in taken:  # casefold: Windows and macOS ignore case
            number += 1
            output = base.with_name("%s-%d.png" % (base.name, number))
        taken.add(str(output).casefold())
        yield Job(source, output)


def run(
    jobs: Iterable[Job],
    load: Callable[[], Matting],
    report: Callable[[Result], None],
    options: Options,
) -> None:
    """Do every job and report each result, in order, from the calling thread.

    ``load`` is called once, while the first photos are being read, and not at all when there is
    nothing to matte. A photo that fails is reported and the others go on. When interrupted, what
    is being written is finished and reported before KeyboardInterrupt goes on.
    """
    jobs = list(jobs)
    for folder in {job.output.parent for job in jobs if job.output}:
        png.clear_up(folder)
    inputs = {os.path.realpath(str(job.source.path)) for job in jobs if job.source.path}
    fetchers = ThreadPoolExecutor(min(FETCH_AHEAD, len(jobs)) or 1)
    decoder, writer = ThreadPoolExecutor(1), ThreadPoolExecutor(1)
    reader = _Reader(fetchers, decoder, options, inputs)
    writes: deque[Future[Result]] = deque()
    matting: Matting | None = None
    try:
        for result, future in reader.read_ahead(jobs):
            while future and writes and not future.done():  # a photo that is long in coming
                wait([future, writes[0]], return_when=FIRST_COMPLETED)
                if writes[0].done():
                    report(writes.popleft().result())
            if result.status == "reading":
                if matting is None:
                    with result.timings.measure("load"):
                        matting = load()
                writes.append(_matte(result, future, matting, options, writer))
            else:
                writes.append(_known(result))
            while len(writes) > WRITE_BEHIND:
                report(writes.popleft().result())
    finally:
        fetchers.shutdown(wait=False)
        decoder.shutdown(wait=False)
        reader.cancel()
        while writes:
            report(writes.popleft().result())
        writer.shutdown()
        if matting is not None:
            matting.close()


def _matte(
    result: Result,
    future: Future[images.Photo],
    matting: Matting,
    options: Options,
    writer: ThreadPoolExecutor,
) -> Future[Result]:
    """Matte one photo here and leave its writing to the writer."""
    try:
        photo = future.result()
        result.height, result.width = photo.rgb.shape[:2]
        if options.only_alpha:
            alpha = matting.alpha(photo.rgb, result.timings)
            pixels = cv2.convertScaleAbs(alpha, alpha=255)
        else:
            pixels = matting.cutout(photo.rgb, result.timings)
    except BshmError as error:
        return _known(_failed(result, error))
    return writer.submit(_write, result, pixels, photo.icc, photo.alpha, options)


def _write(
    result: Result,
    pixels: np.ndarray,
    icc: bytes | None,
    alpha: np.ndarray | None,
    options: Options,
) -> Result:
    output = result.job.output
    try:
        with result.timings.measure("write"):
            if alpha is not None:
                _keep_transparency(pixels, alpha)
            data = png.encode_png(pixels, icc, _mark(result.job.source, result.size, options))
            if output is not None:
                png.write_atomic(output, data)
            elif options.stdout is not None:
                options.stdout(data)
    except BshmError as error:
        return _failed(result, error)
    result.status = "done"
    return result


def _keep_transparency(pixels: np.ndarray, alpha: np.ndarray) -> None:
    """What was transparent in the photo stays so, in place: pixels [H, W] or [H, W, 4]."""
    matte = pixels if pixels.ndim == 2 else pixels[..., 3]
    matte[...] = cv2.multiply(np.ascontiguousarray(matte), alpha, scale=1 / 255)
    if pixels.ndim == 3:
        pixels[matte == 0] = 0


def _mark(source: Source, size: int, options: Options) -> str:
    """What a finished output says about its photo, so that no other photo's is taken for it."""
    name = source.path.name if source.path else source.name
    return "%s of %s, %d bytes" % ("alpha" if options.only_alpha else "cutout", name, size)


class _Reader:
    """Reads photos ahead of the matting, in order, in bounded number."""

    def __init__(
        self,
        fetchers: ThreadPoolExecutor,
        decoder: ThreadPoolExecutor,
        options: Options,
        inputs: set,
    ) -> None:
        self.fetchers, self.decoder = fetchers, decoder
        self.options, self.inputs = options, inputs
        self.unfinished: set[Future] = set()

    def read_ahead(self, jobs: Iterable[Job]) -> Iterator[tuple]:
        """Pairs of a result to fill in and a future photo (None where nothing is to be read)."""
        jobs = iter(jobs)
        fetching: deque[tuple] = deque()
        decoding: deque[tuple] = deque()
        while True:
            while len(fetching) < FETCH_AHEAD:
                job = next(jobs, None)
                if job is None:
                    break
                fetching.append(self._start(job))
            while fetching and len(decoding) < DECODE_AHEAD:
                result, data = fetching.popleft()
                reading = result.status == "reading"
                decode = self.decoder, self._decode, result, data
                decoding.append((result, self._submit(*decode) if reading else None))
            if not decoding:
                return
            yield decoding.popleft()

    def _start(self, job: Job) -> tuple:
        result = Result(job, "reading")
        if job.output is not None and os.path.realpath(str(job.output)) in self.inputs:
            error = OutputError(
                "%s: its cutout %s would overwrite an input; choose another folder with -d"
                % (job.source.name, job.output)
            )
            return _failed(result, error), None
        if self._is_done(job):
            result.status = "skipped"
            return result, None
        if job.source.path:  # read in its turn: files may be large
            return result, None
        return result, self._submit(self.fetchers, _fetch, result)

    def _is_done(self, job: Job) -> bool:
        if job.output is None or not self.options.skip_existing:
            return False
        try:
            size = os.stat(str(job.source.path)).st_size if job.source.path else 0
        except OSError:  # reading it will tell
            return False
        return png.is_finished_png(job.output, _mark(job.source, size, self.options))

    def _decode(self, result: Result, data: Future[bytes] | None) -> images.Photo:
        content = data.result() if data else _fetch(result)
        with result.timings.measure("read"):
            return images.decode(content, result.job.source.name, self.options.max_pixels)

    def _submit(self, pool: ThreadPoolExecutor, *call: object) -> Future:
        future: Future = pool.submit(*call)  # type: ignore[arg-type]
        self.unfinished.add(future)
        # Finished ones hold whole photos.
        future.add_done_callback(self.unfinished.discard)
        return future

    def cancel(self) -> None:
        """Give up what has not begun; ``shutdown`` learnt that only in Python 3.9."""
        for future in list(self.unfinished):
            future.cancel()


def _fetch(result: Result) -> bytes:
    with result.timings.measure("read"):
        data = result.job.source.read()
    # Of what was read: by the time of writing, the file may be another.
    result.size = len(data) if result.job.source.path else 0
    return data


def _failed(result: Result, error: BshmError) -> Result:
    result.status, result.error = "failed", str(error)
    return result


def _known(result: Result) -> Future[Result]:
    future: Future[Result] = Future()
    future.set_result(result)
    return future
