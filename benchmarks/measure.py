"""Run a command and learn its wall-clock time and peak memory; say what machine this is.

Standard library only, and little of it: on Linux a child's peak memory can never read lower than
its parent's at the moment it was started, so the measuring process has to stay small.
"""

from __future__ import annotations

import datetime
import os
import platform
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Mapping, NamedTuple, Sequence


class Run(NamedTuple):
    """One finished command."""

    seconds: float
    cpu_seconds: float
    peak_mb: float
    stdout: str


class CommandFailed(Exception):
    """The command ended with an error, or not in time; str() is its last line."""


def run(
    command: Sequence[str],
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float = 1800,
) -> Run:
    """Run a command to its end (POSIX only).

    seconds: wall clock, from before the process exists until it is gone
    cpu_seconds: user and system time, of it and of what it waited for: on a busy machine a
        steadier figure than the wall clock
    peak_mb: largest resident set, in 10^6 bytes, of it or any one process it waited for
    Raises CommandFailed.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        start = time.perf_counter()
        process = subprocess.Popen(
            list(command),
            cwd=cwd,
            env={**os.environ, **(env or {})},
            stdout=out,
            stderr=err,
            start_new_session=True,
        )
        timer = threading.Timer(timeout, _end, [process])
        timer.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except KeyboardInterrupt:
            _end(process)
            raise
        finally:
            timer.cancel()
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            raise CommandFailed(_reason(process.returncode, seconds >= timeout, _text(err)))
        # macOS counts bytes, everyone else KiB.
        unit = 1 if sys.platform == "darwin" else 1024
        cpu_seconds = usage.ru_utime + usage.ru_stime
        return Run(seconds, cpu_seconds, usage.ru_maxrss * unit / 1e6, _text(out))


def machine() -> dict[str, str]:
    """Date, processor, cores this process may use, memory, system and Python."""
    return {
        "date": datetime.datetime.now().strftime("%Y-%m-%d %H:%M"),
        "cpu": _cpu(),
        "cores": str(_cores()),
        "memory": "%.0f GB" % (os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9),
        "system": "%s %s" % (platform.system(), platform.machine()),
        "python": platform.python_version(),
    }


def load_average() -> float:
    """Runnable processes, averaged over the last minute."""
    return os.getloadavg()[0]


def _end(process: subprocess.Popen) -> None:
    """Kill it and what it started: the session's group, because a shell leaves its child behind."""
    os.killpg(process.pid, signal.SIGKILL)


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _text(file) -> str:
    file.seek(0)
    return file.read().decode("utf-8", "replace")


def _reason(status: int, late: bool, stderr: str) -> str:
    if late:
        return "stopped after the time allowed"
    lines = [line for line in stderr.splitlines() if line.strip()]
    last = lines[-1].strip() if lines else "no message"
    return "killed by signal %d" % -status if status < 0 else "exit %d: %s" % (status, last)
