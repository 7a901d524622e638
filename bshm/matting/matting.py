"""AlphaMatting: loads weights once, then gives the alpha of any number of photos."""

from __future__ import annotations

import ctypes
import os
import threading
import weakref
from types import TracebackType
from typing import Callable, Iterator, NamedTuple, NoReturn, TypeVar

import cv2
import numpy as np

from bshm.errors import DeviceError
from bshm.matting import closer_look
from bshm.matting.upsample import upsample
from bshm.model import engine as engines
from bshm.model import weights as weight_files
from bshm.model.cpus import cpu_limit
from bshm.pictures import Box
from bshm.timing import measure

# The networks halve a photo six times, so they see whole cells of 64 × 64; 128 of them make
# 896 × 512 of a 16:9 photo and 576 × 768 of a 3:4 portrait.
CELL = 64
MAX_CELLS = 128


Self = TypeVar("Self", bound="AlphaMatting")


class Look(NamedTuple):
    """What the network makes of a photo, or of a part of one.

    alpha: float32 ``[h, w]`` in 0-1, at the working size
    seen: the photo at that size, uint8 ``[h, w, 3]``
    """

    alpha: np.ndarray
    seen: np.ndarray


class Sight(NamedTuple):
    """All that the network tells of a photo; the network can go before its `alpha` is made.

    whole: the look at the whole photo
    closer: windows in which people are small in the frame, and a look at each
    """

    whole: Look
    closer: list[tuple[Box, Look]]

    def alpha(self, rgb: np.ndarray) -> np.ndarray:
        """Alpha at the size of the photo ``[H, W, 3]``, with its edges: float32 ``[H, W]``."""
        with measure("refine"):
            alpha = upsample(self.whole.alpha, rgb, self.whole.seen)
            for box, look in self.closer:
                closer_look.blend(alpha, upsample(look.alpha, box.of(rgb), look.seen), box)
        return alpha


class AlphaMatting:
    """Alpha of photos. Safe to call from any number of threads; a context manager.

    At most ``threads`` photos are matted at once: more would gain nothing, and each takes memory.
    Further callers wait for their turn.

    weights: the `Weights` that were taken
    device: what they run on, ``cpu``, ``cuda`` or ``tensorrt``
    note: one line where ``auto`` had to do without a GPU that seemed to be there, else empty
    """

    def __init__(
        self,
        *,
        weights: str | os.PathLike = "auto",
        device: str = "auto",
        engine: str = "auto",
        threads: int = 0,
        start: Callable[[str, str, str, int], engines.Engine] = engines.start,
    ) -> None:
        """Load the weights. Opens no network connection.

        weights: ``auto`` (the released weights if they are in the cache, else the embedded ones),
            ``bshm-lite`` (the embedded ones), a ``.onnx`` or ``.pb`` file, a model folder, or a hub
            id
        device: ``auto``, ``cpu``, ``cuda`` or ``tensorrt``
        engine: ``auto``, ``onnx`` or ``tensorflow``
        threads: CPU threads to use; 0 is all that affinity and the container's quota allow. Any
            other number is set for OpenCV, too, and there holds for the whole process.
        start: what starts the engine, `bshm.model.engine.start` or one of your own

        Raises ValueError (threads below 0), WeightsError (missing, damaged, not runnable here) and
        DeviceError (a device or an engine that was asked for is not there or does not load).
        """
        if threads < 0:
            raise ValueError("expected a number of threads, 0 for all CPUs, got %d" % threads)
        # More at work than there are CPUs would gain nothing, and thousands of them stop a machine.
        at_work = min(threads, os.cpu_count() or 1) or cpu_limit()
        if threads:
            cv2.setNumThreads(at_work)
        self.weights = weight_files.resolve(str(weights), engines.choose(engine))
        self._engine = start(self.weights.engine, str(self.weights.path), device, at_work)
        self._turn = threading.BoundedSemaphore(threads or at_work)
        self.device: str = self._engine.device
        self.note: str = self._engine.note
        _loaded.add(self)

    def alpha(self, rgb: np.ndarray) -> np.ndarray:
        """Matte of a photo: uint8 RGB ``[H, W, 3]`` -> float32 ``[H, W]`` in 0-1.

        Raises ValueError for arrays of another shape or type, DeviceError after `close` or where
        the engine fails, and WeightsError where the graph turns out to be none for matting.
        """
        with self._turn:
            return self._see(rgb).alpha(rgb)

    def see(self, rgb: np.ndarray) -> Sight:
        """The network's part of `alpha`, whose other part is :meth:`Sight.alpha`.

        Takes and raises the same.
        """
        with self._turn:
            return self._see(rgb)

    def first_look(self, rgb: np.ndarray) -> Look:
        """What the network makes of a whole photo, at its working size.

        Takes and raises the same as :meth:`alpha`.
        """
        with self._turn:
            return self._first_look(rgb)

    def glance(self, rgb: np.ndarray) -> np.ndarray:
        """What the network would see of a photo: uint8 ``[h, w, 3]``, as large as a first look."""
        return _at_working_size(rgb)

    def closer_look(self, look: Look, rgb: np.ndarray, people: np.ndarray | None = None) -> Look:
        """A first look at a film's frame, in which people small in it were looked at closer.

        people: where they are, float32 ``[h, w]`` in 0-1, if others know more than the look

        It has all that the network tells of a photo, at the size of a first look. So those of a
        film's frames can be fitted to each other before :meth:`enlarge`. Raises the same as
        :meth:`alpha`.
        """
        with self._turn:
            alpha = look.alpha.copy()
            down, across = alpha.shape[0] / rgb.shape[0], alpha.shape[1] / rgb.shape[1]
            people = alpha if people is None else people
            for box, again in self._look_closer(people, rgb, in_film=True):
                box = box.scaled(down, across)
                size = box.right - box.left, box.bottom - box.top
                closer = cv2.resize(again.alpha, size, interpolation=cv2.INTER_AREA)
                closer_look.blend(alpha, closer, box)
            return Look(alpha, look.seen)

    def enlarge(self, look: Look, rgb: np.ndarray) -> np.ndarray:
        """A look's alpha at the size of its photo, with the photo's edges: float32 ``[H, W]``."""
        with self._turn, measure("refine"):
            return upsample(look.alpha, rgb, look.seen)

    def _first_look(self, rgb: np.ndarray) -> Look:
        _check(rgb)
        with measure("forward"):
            return self._look(rgb)

    def _see(self, rgb: np.ndarray) -> Sight:
        whole = self._first_look(rgb)
        return Sight(whole, list(self._look_closer(whole.alpha, rgb)))

    def _look_closer(
        self, people: np.ndarray, rgb: np.ndarray, in_film: bool = False
    ) -> Iterator[tuple[Box, Look]]:
        """Windows of a photo with people who are small in the frame, and a look at each."""
        for box in closer_look.find_small_people(people, rgb.shape[:2], in_film):
            with measure("forward"):
                again = self._look(box.of(rgb))
            yield box, again

    def _look(self, rgb: np.ndarray) -> Look:
        """A look at a photo or at a part of one."""
        small = _at_working_size(rgb)
        return Look(closer_look.drop_specks(self._engine.alpha(small)), small)

    def warm_up(self) -> None:
        """Run the network once on as little as it takes: what it prepares at first is then there.

        Raises what :meth:`alpha` raises of engine and weights.
        """
        with self._turn:
            self._engine.alpha(np.zeros((CELL, CELL, 3), np.uint8))

    def close(self) -> None:
        """Free the engine's memory; the object cannot be used afterwards."""
        self._engine.close()

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Matting does not leave its process: make one in each process")

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class _Elsewhere(engines.Engine):
    """In a forked process, in place of the parent's engine, whose threads are not here."""

    def alpha(self, rgb: np.ndarray) -> np.ndarray:
        raise DeviceError(
            "this Matting was made before the process forked: make one in each process",
            code="other_process",
        )

    def close(self) -> None:
        pass


_loaded: weakref.WeakSet[AlphaMatting] = weakref.WeakSet()


def _leave_to_parent() -> None:
    """In a process that was forked: let go of all engines, and never free them.

    ONNX Runtime would wait for its threads, which a fork does not copy, without end.
    """
    for matting in list(_loaded):
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(matting._engine))
        matting._engine = _Elsewhere()
        matting._turn = threading.BoundedSemaphore()  # threads of the parent may have held it


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_leave_to_parent)


def _at_working_size(rgb: np.ndarray) -> np.ndarray:
    """A photo as the network sees it: uint8 ``[h, w, 3]``."""
    height, width = working_size(*rgb.shape[:2])
    shrinks = height * width < rgb.shape[0] * rgb.shape[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cv2.resize(rgb, (width, height), interpolation=method)


def working_size(height: int, width: int) -> tuple[int, int]:
    """Size at which the network sees a photo: whole cells, at most `MAX_CELLS` of them.

    Of all such sizes the one that keeps most pixels and least squeezes the photo.
    """

    def merit(size: tuple[int, int]) -> float:
        rows, columns = size
        squeeze = (columns * height) / (rows * width)
        return rows * columns * min(squeeze, 1 / squeeze) ** 3

    sizes = []
    for rows in range(1, MAX_CELLS + 1):
        columns = max(1, min(MAX_CELLS // rows, round(rows * width / height)))
        sizes.append((rows, columns))
    rows, columns = max(sizes, key=merit)
    return rows * CELL, columns * CELL


def _check(rgb: np.ndarray) -> None:
    if (
        not isinstance(rgb, np.ndarray)
        or rgb.dtype != np.uint8
        or rgb.ndim != 3
        or (rgb.shape[2] != 3 or rgb.size == 0)
    ):
        found = (
            "%s %s" % (rgb.dtype, list(rgb.shape))
            if isinstance(rgb, np.ndarray)
            else type(rgb).__name__
        )
        raise ValueError("expected an RGB photo as a uint8 array [H, W, 3], got %s" % found)
