"""Many photos: read ahead, matte, write behind; one result each, in order.

URLs are fetched by several threads, for they wait on the network; files are read, and all photos
decoded, by one, matted by the caller's, encoded and written by one more. Every queue is bounded,
so memory does not grow with the number of photos.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Callable, Iterable, Iterator

import cv2
import numpy as np

from bshm import disk
from bshm.batch import outputs
from bshm.batch.outputs import Inputs, Job
from bshm.codec import png
from bshm.codec.decode import MAX_PIXELS, decode
from bshm.errors import BshmError, InputError, OutputError
from bshm.pictures import Photo
from bshm.timing import Timings

if TYPE_CHECKING:
    from bshm.matting import Matting

FETCH_AHEAD = 8  # photos that are looked up; of those, URLs are held or under way
DECODE_AHEAD = 2  # decoded photos: the one at work and the next
PATIENCE_S = 0.5  # of one wait, after which signals are looked for
WRITE_BEHIND = 1  # finished mattes that wait while the next photo is matted


@dataclass(frozen=True)
class Options:
    """What every photo of a run has in common."""

    only_alpha: bool = False  # write the matte as a grey PNG instead of the cutout
    skip_existing: bool = False
    max_pixels: int = MAX_PIXELS
    stdout: Callable[[bytes], None] | None = None


@dataclass
class Result:
    """What became of one photo; ``status`` is ``done``, ``skipped`` or ``failed``."""

    job: Job
    status: str
    error: str = ""
    mark: str = ""  # what the output is to say of its photo
    width: int = 0
    height: int = 0
    timings: Timings = field(default_factory=Timings)


def run(
    jobs: Iterable[Job],
    load: Callable[[], Matting],
    report: Callable[[Result], None],
    options: Options,
    check: Callable[[], None] = lambda: None,
) -> None:
    """Do every job and report each result, in order, from the calling thread.

    ``load`` is called once, while the first photos are being read, and not at all when there is
    nothing to matte. A photo that fails is reported and the others go on. ``check`` is called now
    and then; when it raises, what is being written is finished and reported before that goes on.
    """
    jobs = list(jobs)
    for folder in {job.output.parent for job in jobs if job.output}:
        disk.clear_up(folder)
    inputs = Inputs(jobs)
    fetchers = ThreadPoolExecutor(min(FETCH_AHEAD, len(jobs)) or 1)
    decoder, writer = ThreadPoolExecutor(1), ThreadPoolExecutor(1)
    reader = _Reader(fetchers, decoder, options, inputs)
    writes: deque[Future[Result]] = deque()
    matting: Matting | None = None
    try:
        for result, future in reader.read_ahead(jobs):
            check()
            if future is None:
                writes.append(_known(result))
            else:
                if matting is None:
                    with result.timings.measure("load"):
                        matting = load()
                while not future.done():  # a photo that is long in coming
                    wait([future, *writes], PATIENCE_S, FIRST_COMPLETED)
                    check()
                    while writes and writes[0].done():
                        _report_first(writes, report)
                writes.append(_matte(result, future, matting, options, writer))
            while len(writes) > WRITE_BEHIND:
                _report_first(writes, report)
        while writes:
            _report_first(writes, report)
        check()
    finally:
        fetchers.shutdown(wait=False)
        decoder.shutdown(wait=False)
        reader.cancel()
        while writes:
            _report_first(writes, report)
        writer.shutdown()
        if matting is not None:
            matting.close()


def _report_first(writes: deque[Future[Result]], report: Callable[[Result], None]) -> None:
    while not writes[0].done():
        wait([writes[0]], PATIENCE_S)
    report(writes.popleft().result())


def _matte(
    result: Result,
    future: Future[Photo],
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
    except Exception as error:  # whatever one photo meets is no end to the others'
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
            data = png.encode_png(pixels, icc, result.mark)
            if output is not None:
                disk.write_atomic(output, data)
            elif options.stdout is not None:
                options.stdout(data)
    except Exception as error:
        return _failed(result, error)
    result.status = "done"
    return result


def _keep_transparency(pixels: np.ndarray, alpha: np.ndarray) -> None:
    """What was transparent in the photo stays so, in place: pixels [H, W] or [H, W, 4]."""
    matte = pixels if pixels.ndim == 2 else pixels[..., 3]
    matte[...] = cv2.multiply(np.ascontiguousarray(matte), alpha, scale=1 / 255)
    if pixels.ndim == 3:
        pixels[matte == 0] = 0


class _Reader:
    """Reads photos ahead of the matting, in order, in bounded number."""

    def __init__(
        self,
        fetchers: ThreadPoolExecutor,
        decoder: ThreadPoolExecutor,
        options: Options,
        inputs: Inputs,
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
        try:
            self.inputs.spare(job)
        except OutputError as error:
            return _failed(result, error), None
        if self.options.skip_existing and outputs.is_done(job, self.options.only_alpha):
            result.status = "skipped"
            return result, None
        if job.source.path:  # read in its turn: files may be large
            return result, None
        return result, self._submit(self.fetchers, self._fetch, result)

    def _fetch(self, result: Result) -> bytes:
        with result.timings.measure("read"):
            result.mark = outputs.mark(result.job.source, self.options.only_alpha)
            return result.job.source.read()

    def _decode(self, result: Result, data: Future[bytes] | None) -> Photo:
        content = data.result() if data else self._fetch(result)
        with result.timings.measure("read"):
            return decode(content, result.job.source.name, self.options.max_pixels)

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


def _failed(result: Result, error: Exception) -> Result:
    result.status, reason = "failed", " ".join(str(error).split())
    if isinstance(error, MemoryError):
        reason = "not enough memory (%s)" % (reason or "none is left")
    elif not isinstance(error, BshmError):
        reason = "cannot be matted (%s: %s)" % (type(error).__name__, reason)
    named = isinstance(error, (InputError, OutputError))
    result.error = reason if named else "%s: %s" % (result.job.source.name, reason)
    return result


def _known(result: Result) -> Future[Result]:
    future: Future[Result] = Future()
    future.set_result(result)
    return future
