"""What the command line says: results on stdout, everything else on stderr, with hints."""

from __future__ import annotations

import contextlib
import errno
import importlib
import logging
import os
import select
import sys
import warnings
from typing import Any, ContextManager, Iterator, TextIO

from bshm.batch.names import printable
from bshm.errors import BshmError, OutputError, lacks_memory, root_cause, without_secrets_in

OK, FAILED, WRONG_USAGE = 0, 1, 2  # exit codes
# errno values that mean the reader of our output has gone (EINVAL on Windows).
READER_LEFT_ERRNOS = (errno.EPIPE, errno.EIO, *([errno.EINVAL] if os.name == "nt" else []))

# What can be done about an error, by its code; {subject} is what the error is about.
HINTS = {
    "named_pipe": "pipe the photo to `-i -` instead",
    "no_photos_here": "--recursive looks into the folders below",
    "too_many_pixels": "--max-pixels raises it",
    "would_overwrite_input": "choose another place with -d or -o",
    "foreign_file": "--force replaces it, -d or -o names another place",
    "several_people": "--lenient takes the largest",
    "head_cut_off": "take a photo with room above the head, or --lenient",
    "head_too_small": "take a larger photo, or --lenient",
    "body_cut_off": "take a photo with more around the head, or --lenient",
    "body_ends": "take a photo of head and shoulders, upright, or --lenient",
    "too_many_bytes": "take a larger --kb, or in `bshm id` a smaller --size",
    "paper_too_small": "take a larger --sheet",
    "foreign_film": "--force replaces it, -o names another",
    "would_overwrite_film": "choose another name with -o",
    "unknown_format": "--format names one",
    "released_missing": "`bshm download` fetches them",
    "not_downloaded": "run `bshm download {subject}`",
    "weights_damaged": "`bshm download` fetches it again",
    "conversion_damaged": "`bshm convert` makes it again from tf_graph.pb",
    "no_record": "`bshm download` writes one",
    "needs_tensorflow": "`bshm convert` turns the graph into ONNX",
}


def with_hint(error: BshmError) -> str:
    """An error in one line, with what can be done about it."""
    hint = HINTS.get(error.code)
    line = "%s; %s" % (error, hint.format(subject=error.subject)) if hint else str(error)
    return without_secrets_in(line)


def check_installation() -> None:
    """Raise BshmError where a package does not load that every photo needs.

    Of versions that do not fit together, NumPy raises AttributeError and others TypeError.
    """
    for module in ("numpy", "cv2", "PIL"):
        try:
            importlib.import_module(module)
        except Exception as error:
            logging.getLogger("bshm").debug("%s does not load", module, exc_info=True)
            if lacks_memory(error):
                reason = "there is not enough memory to load %s: %s" % (module, root_cause(error))
                raise BshmError(reason, code="out_of_memory") from error
            raise BshmError(
                "numpy, pillow or opencv-python-headless is missing or broken, install it again: "
                + root_cause(error),
                code="broken_installation",
            ) from error


def verbose(asked: bool) -> bool:
    """Whether -v or BSHM_VERBOSE=1 asks for more; if so, debug logging goes to stderr."""
    if not asked and os.environ.get("BSHM_VERBOSE", "") in ("", "0"):
        return False
    log = logging.getLogger("bshm")
    log.setLevel(logging.DEBUG)
    if not log.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("bshm: %(message)s"))
        log.addHandler(handler)
    return True


def say(line: str) -> None:
    """A line for stderr. Nobody may be there any more; the work goes on."""
    with contextlib.suppress(OSError):
        print("bshm: " + printable(line), file=sys.stderr, flush=True)


def print_path(path: object, end: str = "\n") -> None:
    """A path for stdout, as it is, even if it is no text; a terminal gets no control characters."""
    on_terminal = sys.stdout is not None and sys.stdout.isatty()
    print_text(printable(str(path)) if on_terminal else str(path), end)


def print_text(text: str, end: str = "\n") -> None:
    """Lines for stdout. Whoever reads there may leave, as ``head`` does: the work goes on."""
    if sys.stdout is None:  # closed by the shell: only the files are wanted
        return
    if _descriptor(sys.stdout) is None:
        sys.stdout.write(text + end)
        return
    try:
        data = os.fsencode(text + end)
    except UnicodeEncodeError:  # a sign of ours, such as ×, that this locale does not have
        data = (text + end).encode(sys.getfilesystemencoding(), "backslashreplace")
    try:
        write_stdout(data)
    except OutputError as error:
        if getattr(error.__cause__, "errno", 0) not in READER_LEFT_ERRNOS:
            raise


def write_stdout(data: bytes) -> None:
    """All of it, past any buffer. Raises OutputError."""
    if sys.stdout is None:
        raise OutputError("cannot be written: it is closed", "stdout", "not_written")
    descriptor = _descriptor(sys.stdout)
    try:
        if descriptor is None:
            sys.stdout.buffer.write(data)
        else:
            _write_all(descriptor, data)
    except AttributeError as error:
        reason = "cannot be written: it is a %s here, of text alone" % type(sys.stdout).__name__
        raise OutputError(reason, "stdout", "not_written") from error
    except OSError as error:
        reason = "cannot be written: %s" % error.strerror
        raise OutputError(reason, "stdout", "not_written") from error


def _descriptor(stream: TextIO) -> int | None:
    """None where Python code put something of its own in the stream's place, as notebooks do."""
    try:
        return stream.fileno()
    except (OSError, ValueError, AttributeError):
        return None


def _write_all(descriptor: int, data: bytes) -> None:
    """Write all of it, however little of it is taken at a time. Raises OSError."""
    left = memoryview(data)
    while left:
        try:
            left = left[os.write(descriptor, left) :]
        except BlockingIOError:  # a pipe that its other end made non-blocking
            select.select([], [descriptor], [])


def fill_closed_streams() -> None:
    """Let no file that is opened take the number of a stream that the shell closed (``2>&-``)."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    if sys.stderr is None:  # print would turn to stdout
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - to the end of the process


def without_chatter(verbose: bool) -> ContextManager[None]:
    """Keep off stderr what frameworks say about themselves past all their settings for less."""
    return contextlib.nullcontext() if verbose else _without_stderr()


@contextlib.contextmanager
def _without_stderr() -> Iterator[None]:
    """Nothing on stderr meanwhile, of Python's or of libraries' that write to its descriptor."""
    with _own_stderr(), open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere):
        yield


def alone_on_stderr(verbose: bool) -> ContextManager[None]:
    """Keep off stderr what libraries write past Python, as libtiff does of each damaged file."""
    return contextlib.nullcontext() if verbose else _own_stderr()


@contextlib.contextmanager
def alone_on_stdout(verbose: bool) -> Iterator[None]:
    """Keep off stdout what libraries print there; results are written to its descriptor."""
    before = sys.stdout
    if before is None or _descriptor(before) is None:
        yield
        return
    with open(os.devnull, "w") as nowhere:
        sys.stdout = _Printed(before, sys.stderr if verbose else nowhere)
        try:
            yield
        finally:
            sys.stdout = before


class _Printed:
    """A stream to which only its descriptor leads: what is printed goes elsewhere."""

    def __init__(self, stream: TextIO, elsewhere: TextIO) -> None:
        self.fileno, self.isatty = stream.fileno, stream.isatty
        self.write, self.flush = elsewhere.write, elsewhere.flush


@contextlib.contextmanager
def _own_stderr() -> Iterator[None]:
    """Python's stderr has a descriptor of its own meanwhile, and number 2 leads nowhere."""
    before, saved, nowhere = sys.stderr, os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    sys.stderr = open(saved, "w", 1, before.encoding, "backslashreplace")  # noqa: SIM115
    try:
        yield
    finally:
        os.dup2(saved, 2)
        with contextlib.suppress(OSError):  # nobody may be there any more
            sys.stderr.close()
        sys.stderr = before
        os.close(nowhere)


@contextlib.contextmanager
def without_warnings() -> Iterator[None]:
    """Only we speak: no library's warnings, nor its log, which may hold whole addresses."""
    log, silent = logging.getLogger(), logging.NullHandler()
    log.addHandler(silent)
    with warnings.catch_warnings():
        if not sys.warnoptions:
            warnings.simplefilter("ignore")
        try:
            yield
        finally:
            log.removeHandler(silent)


def progress(count: int | None, quiet: bool, unit: str = "photo") -> Any:
    """A progress bar on a terminal when there is something to wait for, else a silent one.

    count: of the units; None where nobody knows
    """
    if (count is not None and count < 2) or quiet or not sys.stderr.isatty():
        return _Silent()
    from tqdm import tqdm

    class Bar(tqdm):
        @contextlib.contextmanager
        def aside(self) -> Iterator[None]:
            """What is printed meanwhile goes above the bar."""
            self.clear()
            yield
            self.refresh()

    return Bar(total=count, unit=unit, dynamic_ncols=True)


class _Silent:
    def update(self, count: int = 1) -> None: ...

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        yield

    def close(self) -> None: ...
