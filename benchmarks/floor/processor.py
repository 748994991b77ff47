"""Processor time and memory of running processes with all that they have started, read from proc(5)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")
_TIMES = slice(11, 15)
"""Places of utime, stime, cutime, cstime behind the command's name."""


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
    """Return seconds by role."""
    return {role: seconds_of(pids) for role, pids in roles.items()}


def resident_mib(root: int) -> float:
    """Return the memory that a process and its descendants hold, in MiB; pages they share count once each."""
    pages = 0
    for pid in family(root):
        fields = _read(Path(f"/proc/{pid}/statm")).split()
        pages += int(fields[1]) if fields else 0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _own(pid: int) -> float:
    stat = _read(Path(f"/proc/{pid}/stat"))
    if not stat:
        return 0.0
    fields = stat.rpartition(")")[2].split()
    return sum(int(one) for one in fields[_TIMES]) / _TICK


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
