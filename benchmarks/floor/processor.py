"""Processor time and memory of running processes with all that they have started, read from proc(5)."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")
_TIMES = slice(11, 15)
"""Places of utime, stime, cutime, cstime behind the command's name."""

_PEAK = re.compile(r"^VmHWM:\s+(\d+) kB$", re.MULTILINE)


def seconds_of(pids: Iterable[int]) -> float:
    """Return the seconds that these processes and their descendants have used, children that have ended included."""
    return sum(_own(pid) for root in pids for pid in family(root))


def family(root: int) -> list[int]:
    """Return a process and all that descend from it."""
    found, open_ones = [], [root]
    while open_ones:
        pid = open_ones.pop()
        found.append(pid)
        for task in _tasks(pid):
            children = _read(task / "children")
            open_ones += [int(one) for one in children.split()]
    return found


def spent(roles: Mapping[str, Sequence[int]]) -> dict[str, float]:
    """Return seconds by role.

    Raises:
        RuntimeError: a process of a role has gone: whoever came in its place would look as if it cost nothing.
    """
    for role, pids in roles.items():
        if gone := [pid for pid in pids if not _read(_stat(pid))]:
            raise RuntimeError(f"{role}: {gone} ended while it was measured")
    return {role: seconds_of(pids) for role, pids in roles.items()}


def peak_mib(root: int) -> float:
    """Return the most memory that a process and its descendants have held, each at its time, in MiB.

    Raises:
        RuntimeError: the process has gone, and took that with it.
    """
    found = [peak for pid in family(root) if (peak := _PEAK.search(_read(Path(f"/proc/{pid}/status"))))]
    if not found:
        raise RuntimeError(f"{root} ended while it was measured")
    return sum(int(peak[1]) for peak in found) / 2**10


def _own(pid: int) -> float:
    stat = _read(_stat(pid))
    if not stat:
        return 0.0
    fields = stat.rpartition(")")[2].split()
    return sum(int(one) for one in fields[_TIMES]) / _TICK


def _stat(pid: int) -> Path:
    return Path(f"/proc/{pid}/stat")


def _tasks(pid: int) -> list[Path]:
    try:
        return list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return []


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""
