"""Jobs: one in sequence (`do_one`), or many that overlap (`run_all`). Both take the same steps.

Of many, URLs are fetched by several threads, for they wait on the network; files are read, and all
photos decoded, by one, shown to the network by the caller's, made into cutouts, encoded and written
by one more. Every queue is bounded, so memory does not grow with the number of photos.
"""

from __future__ import annotations

import enum
import itertools
import logging
from collections import deque
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Callable, Iterable, Iterator, NamedTuple, Sequence

from bshm import disk, pipeline
from bshm.batch import outputs
from bshm.batch.outputs import Job, OverwriteGuard
from bshm.batch.sources import OWN_CUTOUT, Kind
from bshm.codec.decode import decode
from bshm.cutouts.cutout import Composite, Cutout
from bshm.errors import BshmError
from bshm.matting import AlphaMatting, Sight
from bshm.pictures import Box, Photo
from bshm.pipeline import Recipe
from bshm.timing import Timings, collect, measure

if TYPE_CHECKING:
    from bshm.idphoto.head import Head

FETCH_AHEAD = 8  # photos that are looked up; of those, URLs are held or under way
DECODE_AHEAD = 2  # photos that are decoded: the one at work and the next
WRITE_BEHIND = 1  # photos that wait to be made and written while the network sees the next
PATIENCE_S = 0.5  # seconds of one wait, after which signals are looked for

log = logging.getLogger("bshm")


class Status(enum.Enum):
    """What became of a job."""

    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True)
class Result:
    """What became of one job; made when that is known, and not changed afterwards.

    width, height: of the result, in pixels, where the job is done
    input_width, input_height: of the photo
    coverage: share of the result that is covered, 0-1, where the job is done
    box: the smallest window in it that holds all that shows; None where nobody was found
    grown: pixels by which the result is larger, for a shadow: left, top, right, bottom
    unmet: wishes of a scene that this photo does not allow, as `Composite` names them
    head: of an ID photo, where the head is in it
    error: why it failed, else None; its text names the photo or the file that could not be written
    timings: milliseconds by stage
    """

    job: Job
    status: Status
    width: int = 0
    height: int = 0
    input_width: int = 0
    input_height: int = 0
    coverage: float = 0.0
    box: Box | None = None
    grown: tuple[int, int, int, int] = (0, 0, 0, 0)
    unmet: tuple[str, ...] = ()
    head: Head | None = None
    error: BshmError | None = None
    timings: Timings = field(default_factory=dict)


def do_one(
    job: Job,
    matting: AlphaMatting,
    recipe: Recipe,
    skip_existing: bool = False,
    guard: OverwriteGuard | None = None,
) -> Result:
    """Do one job, one step after the other. Whatever one photo meets is in the result."""
    task = _Task(job, recipe)
    try:
        known = task.early_result(guard or OverwriteGuard([job]), skip_existing)
        if known:
            return known
        task.see(task.decode(task.read()), matting)
        return task.write()
    except Exception as error:
        return task.failed(error)


def run_all(
    jobs: Iterable[Job],
    load_matting: Callable[[], AlphaMatting],
    report: Callable[[Result], None],
    recipe: Recipe | Sequence[Recipe],
    skip_existing: bool = False,
    stop_if_asked: Callable[[], None] = lambda: None,
    when_seen: Callable[[], None] = lambda: None,
    guard: OverwriteGuard | None = None,
) -> None:
    """Do every job and report each result, in order, from the calling thread.

    recipe: one for all, or several, of which each job takes the next, from the first again

    ``load_matting`` is called once, while the first photos are being read, and not at all when
    nothing is to be matted; whoever loads it closes it. A photo that fails is reported and the
    others go on; but after one that failed because the disk is full, the run ends, and the rest is
    not reported.
    ``when_seen`` is called once the network has seen the last photo, while it is made and written:
    what `load_matting` took can go.
    ``guard`` refuses jobs that would overwrite what is read; none knows of the jobs' photos alone.
    ``stop_if_asked`` is called now and then; when it raises, what is being written is finished and
    reported before that goes on.

    Raises OutputError where the folder of the first cutout cannot be written to, before anything
    is loaded; and what ``load_matting`` raises.
    """
    jobs = list(jobs)
    recipes = [recipe] if isinstance(recipe, Recipe) else recipe
    for folder in {job.output.parent for job in jobs if isinstance(job.output, Path)}:
        disk.clear_up(folder)
    fetchers = ThreadPoolExecutor(min(FETCH_AHEAD, len(jobs)) or 1)
    decoder, writer = ThreadPoolExecutor(1), ThreadPoolExecutor(1)
    reader = _Reader(fetchers, decoder, guard or OverwriteGuard(jobs), skip_existing)
    writes: deque[Future[Result]] = deque()
    matting: AlphaMatting | None = None
    disk_is_full = False

    def report_first() -> None:
        nonlocal disk_is_full
        while not writes[0].done():
            _wait_for_any(writes[0])
        result = writes.popleft().result()
        full = result.error is not None and result.error.code == "disk_full"
        if not (full and disk_is_full):  # one that was under way is left to do, as the others are
            report(result)
        disk_is_full = disk_is_full or full

    try:
        for task, photo in reader.read_ahead(map(_Task, jobs, itertools.cycle(recipes))):
            stop_if_asked()
            if isinstance(photo, Result):
                writes.append(writer.submit(lambda known: known, photo))
            else:
                if matting is None:
                    if task.job.output is not None:
                        outputs.try_folder(task.job.output)
                    with collect(task.timings), measure("load"):
                        matting = load_matting()
                while not photo.done():  # a photo that is long in coming
                    _wait_for_any(photo, *writes)
                    stop_if_asked()
                    while writes and writes[0].done():
                        report_first()
                writes.append(_see(task, photo, matting, writer))
            while len(writes) > WRITE_BEHIND:
                report_first()
            if disk_is_full:
                break
        when_seen()
        while writes:
            report_first()
        stop_if_asked()
    finally:
        fetchers.shutdown(wait=False)
        decoder.shutdown(wait=False)
        reader.cancel()
        while writes:
            report_first()
        writer.shutdown()


def _wait_for_any(*futures: Future) -> None:
    wait(futures, PATIENCE_S, FIRST_COMPLETED)


def _see(
    task: _Task, photo: Future[Photo], matting: AlphaMatting, writer: ThreadPoolExecutor
) -> Future[Result]:
    """Show one photo to the network here and leave the rest to the writer."""
    try:
        task.see(photo.result(), matting)
    except Exception as error:  # logged by `failed`
        return writer.submit(lambda known: known, task.failed(error))
    return writer.submit(task.write)


class _Task:
    """A job on its way. Its steps run one after the other, in whichever threads."""

    def __init__(self, job: Job, recipe: Recipe) -> None:
        self.job, self.recipe = job, recipe
        self.timings: Timings = {}
        self.mark = self.matte_mark = ""  # what the outputs are to say of their photo
        self.width = self.height = 0
        # A photo on the way to `write`, which takes it out: it may be large.
        self.seen: list[tuple[Photo, Sight]] = []

    def early_result(self, guard: OverwriteGuard, skip_existing: bool) -> Result | None:
        """The result where the photo is not even read: refused, or done by an earlier run."""
        try:
            guard.check(self.job)
        except BshmError as error:
            return self.failed(error)
        if skip_existing and outputs.is_done(self.job, self.recipe):
            return Result(self.job, Status.SKIPPED)
        return None

    def read(self) -> bytes:
        with collect(self.timings), measure("read"):
            self.mark = outputs.mark(self.job.source, self.recipe)
            if self.job.matte:
                self.matte_mark = outputs.mark(self.job.source, self.recipe.of_matte())
            return self.job.source.read()

    def decode(self, data: bytes) -> Photo:
        with collect(self.timings), measure("read"):
            photo = decode(data, self.job.source.name, self.recipe.max_pixels)
        self.height, self.width = photo.rgb.shape[:2]
        return photo

    def see(self, photo: Photo, matting: AlphaMatting) -> None:
        with collect(self.timings):
            self.seen.append((photo, matting.see(photo.rgb)))

    def _finish(self) -> Cutout:
        photo, sight = self.seen.pop()
        with collect(self.timings):
            return pipeline.finish(photo, sight.alpha(photo.rgb), self.recipe)

    def write(self) -> Result:
        """Finish what was seen, encode and write it; the result either way."""
        try:
            cutout = self._finish()
            with collect(self.timings), measure("write"):
                recipe = self.recipe
                data = cutout.encode(
                    recipe.format,
                    quality=recipe.quality,
                    kilobytes=recipe.kilobytes,
                    mark=self.mark,
                )
                self.job.write(data)
                if self.job.matte:
                    matte = Cutout(cutout.matte, dpi=cutout.dpi).encode(mark=self.matte_mark)
                    may_replace = self.job.may_replace_foreign_matte
                    outputs.write_file(self.job.matte, matte, may_replace)
        except Exception as error:  # logged by `failed`
            return self.failed(error)
        box = cutout.box
        height, width = cutout.pixels.shape[:2]
        return Result(
            self.job,
            Status.DONE,
            width,
            height,
            self.width,
            self.height,
            cutout.coverage if box else 0.0,
            box,
            cutout.grown if isinstance(cutout, Composite) else (0, 0, 0, 0),
            cutout.unmet if isinstance(cutout, Composite) else (),
            cutout.head if isinstance(cutout, Composite) else None,
            timings=self.timings,
        )

    def failed(self, error: Exception) -> Result:
        """The result of a step that raised; the error names the photo, in one line."""
        name, reason = self.job.source.name, " ".join(str(error).split())
        if isinstance(error, BshmError) and error.code == OWN_CUTOUT:
            return Result(self.job._replace(output=None, matte=None), Status.SKIPPED)
        if isinstance(error, BshmError):
            if not error.subject:
                error = type(error)(reason, name, error.code)
        elif isinstance(error, MemoryError):
            reason = "not enough memory (%s)" % (reason or "none is left")
            error = BshmError(reason, name, "out_of_memory")
        else:
            log.debug("%s: unexpected", name, exc_info=error)
            reason = "cannot be matted (%s: %s)" % (type(error).__name__, reason)
            error = BshmError(reason, name, "unexpected")
        return Result(self.job, Status.FAILED, error=error, timings=self.timings)


class _Fetched(NamedTuple):
    """A task whose bytes are known to come, or that is known to need none."""

    task: _Task
    data: Future[bytes] | None  # None: a file, which the decoder reads in its turn
    known: Result | None = None


class _Decoded(NamedTuple):
    """A task and its photo to come, or its result where nothing is to be read."""

    task: _Task
    photo: Future[Photo] | Result


class _Reader:
    """Reads photos ahead of their matting, in order, in bounded number."""

    def __init__(
        self,
        fetchers: ThreadPoolExecutor,
        decoder: ThreadPoolExecutor,
        guard: OverwriteGuard,
        skip_existing: bool,
    ) -> None:
        self.fetchers, self.decoder = fetchers, decoder
        self.guard, self.skip_existing = guard, skip_existing
        self.unfinished: set[Future] = set()

    def read_ahead(self, tasks: Iterator[_Task]) -> Iterator[_Decoded]:
        fetching: deque[_Fetched] = deque()
        decoding: deque[_Decoded] = deque()
        while True:
            while len(fetching) < FETCH_AHEAD:
                task = next(tasks, None)
                if task is None:
                    break
                fetching.append(self._fetch(task))
            while fetching and len(decoding) < DECODE_AHEAD:
                task, data, known = fetching.popleft()
                photo = known or self._submit(self.decoder, self._decode, task, data)
                decoding.append(_Decoded(task, photo))
            if not decoding:
                return
            yield decoding.popleft()

    def _fetch(self, task: _Task) -> _Fetched:
        known = task.early_result(self.guard, self.skip_existing)
        if known or task.job.source.kind is Kind.FILE:  # files may be large
            return _Fetched(task, None, known)
        return _Fetched(task, self._submit(self.fetchers, task.read))

    def _decode(self, task: _Task, data: Future[bytes] | None) -> Photo:
        return task.decode(data.result() if data else task.read())

    def _submit(self, pool: ThreadPoolExecutor, call: Callable, *arguments: object) -> Future:
        future = pool.submit(call, *arguments)
        self.unfinished.add(future)
        # Finished ones hold whole photos.
        future.add_done_callback(self.unfinished.discard)
        return future

    def cancel(self) -> None:
        """Give up what has not begun; ``shutdown`` learnt that only in Python 3.9."""
        for future in list(self.unfinished):
            future.cancel()
