"""How many CPUs this process may use: affinity and the container's quota."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Iterator


def cpu_limit(root: Path = Path("/")) -> int:
    """How many CPUs this process may use: affinity and the container's quota, at least 1.

    ``os.cpu_count`` tells the machine's number, and a framework that starts that many threads
    inside a container limited to two CPUs is throttled. ``root`` is where ``proc`` and ``sys``
    are looked for.
    """
    limits = [float(os.cpu_count() or 1)]
    if hasattr(os, "sched_getaffinity"):  # not on macOS and Windows
        limits.append(len(os.sched_getaffinity(0)))
    limits.extend(_cgroup_limits(root))
    return max(1, math.ceil(min(limits)))


def _cgroup_limits(root: Path) -> Iterator[float]:
    """CPU quotas that apply to this process, in CPUs: its own group's and all parents'."""
    for line in (_read(root / "proc/self/cgroup") or "").splitlines():
        number, controllers, group = line.split(":", 2)
        if number == "0":
            mount = root / "sys/fs/cgroup"
        elif "cpu" in controllers.split(","):
            mount = root / "sys/fs/cgroup/cpu"
        else:
            continue
        # Inside a container the group's path is the host's, and only the mount itself exists.
        folder = mount / group.lstrip("/")
        for parent in [folder, *folder.parents]:
            limit = _quota_v2(parent) if number == "0" else _quota_v1(parent)
            if limit is not None:
                yield limit
            if parent == mount:
                break


def _quota_v2(folder: Path) -> float | None:
    """``cpu.max`` holds "quota period" in microseconds, or "max period"."""
    quota, _, period = (_read(folder / "cpu.max") or "max").partition(" ")
    return None if quota == "max" else int(quota) / int(period)


def _quota_v1(folder: Path) -> float | None:
    """``cpu.cfs_quota_us`` is -1 where there is no limit."""
    quota = int(_read(folder / "cpu.cfs_quota_us") or -1)
    return None if quota <= 0 else quota / int(_read(folder / "cpu.cfs_period_us") or 100000)


def _read(path: Path) -> str | None:
    try:
        return path.read_text("ascii", "replace").strip()
    except OSError:
        return None
