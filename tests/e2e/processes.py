"""Reading and ending processes from outside, by proc(5): a supervised part has a new pid after each restart."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

from local.ports import free_port as free_port

_MARKS = {
    "postgres": "postgres/data",
    "temporal": "start-dev",
    "opa": "opa.sock",
    "worker": "worker",
    "api": "api",
}
"""What tells a part's command line from the others': an argument that ends so."""


def part_of(supervisor: int, part: str) -> int | None:
    """The pid of a supervisor's part, or None while there is none."""
    for pid in children(supervisor):
        if any(argument.endswith(_MARKS[part]) for argument in arguments(pid)):
            return pid
    return None


def children(pid: int) -> list[int]:
    """The processes that `pid` started and that still run."""
    return [int(one) for one in _read(pid, f"task/{pid}/children").split()]


def arguments(pid: int) -> list[str]:
    """The command line of a process."""
    return _read(pid, "cmdline").split("\0")[:-1]


def environment(pid: int) -> dict[str, str]:
    """The environment a process was started with."""
    pairs = (one.partition("=") for one in _read(pid, "environ").split("\0") if one)
    return {name: value for name, _, value in pairs}


def _read(pid: int, name: str) -> str:
    try:
        return Path(f"/proc/{pid}/{name}").read_text()
    except OSError:
        return ""


async def end(process: asyncio.subprocess.Process, limit: float = 60) -> int:
    """SIGTERM, and SIGKILL when that is not enough; return the exit status."""
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        return await asyncio.wait_for(process.wait(), limit)
    except TimeoutError:
        process.kill()
        return await process.wait()
