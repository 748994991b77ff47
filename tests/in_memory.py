"""Where tests keep what lives no longer than they: in memory, where the machine has room for it.

A fresh database is hundreds of small files, and every stack has one: on a disk, making them costs more than the test.
The directory has the number of its process, so that what a killed run left behind is found and removed by the next.
pytest's own directories stay on the disk: they are looked at after a test failed.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

_MEMORY = Path("/dev") / "shm"
_PREFIX = "sl-"
"""Short: a socket's path has at most 107 bytes."""
_ROOM = 4 * 1024**3
"""Bytes that must be free: three workers with two servers each, and the stacks."""
DISK = Path(os.environ.get("PYTEST_DEBUG_TEMPROOT") or tempfile.gettempdir())


def keep_in_memory() -> Path | None:
    """Point TMPDIR of this process and its children into memory; return the directory to remove at the end.

    Nothing changes, and None is returned, where TMPDIR is said already, or memory has no room or runs no programs.
    """
    if "TMPDIR" in os.environ or not _is_fit(_MEMORY):
        return None
    _remove_abandoned()
    directory = _MEMORY / f"{_PREFIX}{os.getpid()}"
    directory.mkdir(mode=0o711)
    os.environ["PYTEST_DEBUG_TEMPROOT"] = str(DISK)
    os.environ["TMPDIR"] = tempfile.tempdir = str(directory)
    return directory


def _is_fit(memory: Path) -> bool:
    if not os.access(memory, os.W_OK):
        return False
    found = os.statvfs(memory)
    return found.f_bavail * found.f_frsize >= _ROOM and not found.f_flag & os.ST_NOEXEC


def _remove_abandoned() -> None:
    for directory in _MEMORY.glob(f"{_PREFIX}*"):
        pid = directory.name.removeprefix(_PREFIX)
        if pid.isdigit() and not Path(f"/proc/{pid}").exists():
            shutil.rmtree(directory, ignore_errors=True)
