"""libfaketime in the processes of a stack: each has a clock of its own, which a proof sets while it runs.

A preloaded library that PostgreSQL and Python obey; what is written in Go asks the kernel and stays right. Only the
time of day is wrong. The monotonic clock, which timers go by, is nobody's to set, here as on a real machine.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from settings import Settings

PACKAGE = "libfaketime"
NAME = "libfaketimeMT.so.1"
_LIMIT = 300.0
"""Seconds for apt."""
_SHARED = Path("/dev/shm")  # noqa: S108  where POSIX shared memory lies on Linux
_PLACES = (Path("/usr/lib"), Path("/usr/local/lib"))


class NoFakeTime(Exception):
    """The library is not here and cannot be fetched. The message says how to get it."""


def library() -> Path:
    """Return the library, from this machine or else unpacked from Debian's package into the cache.

    Raises:
        NoFakeTime: neither worked.
    """
    kept = Settings().state_dir.absolute() / "programs" / NAME
    for found in (kept, *_installed()):
        if found.exists():
            return found
    kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept.parent) as directory:
        shutil.copy(_unpacked(Path(directory)), Path(directory) / NAME)
        (Path(directory) / NAME).replace(kept)
    return kept


def _installed() -> Iterator[Path]:
    for place in _PLACES:
        yield from sorted(place.glob(f"**/faketime/{NAME}"))


def _unpacked(directory: Path) -> Path:
    """Fetch the package as apt does, and unpack it. Nothing is installed, so no root is needed."""
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise NoFakeTime(f"no {NAME} here, and no apt to fetch it: install the package {PACKAGE}")
    fetching = ["apt-get", "download", PACKAGE]
    if not _works(fetching, directory):
        _works(["apt-get", "update"], directory)
        if not _works(fetching, directory):
            raise NoFakeTime(f"`{' '.join(fetching)}` failed: install the package {PACKAGE}")
    for package in directory.glob("*.deb"):
        _works(["dpkg-deb", "--extract", str(package), str(directory)], directory)
    for found in directory.glob(f"**/faketime/{NAME}"):
        return found
    raise NoFakeTime(f"the package {PACKAGE} holds no {NAME}")


def _works(command: list[str], directory: Path) -> bool:
    try:
        done = subprocess.run(
            command, cwd=directory, capture_output=True, stdin=subprocess.DEVNULL, timeout=_LIMIT, check=False
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


class Clocks:
    """The clocks of one stack's parts: files that the library reads each time somebody asks for the time."""

    def __init__(self, directory: Path) -> None:
        """Keep them in `directory`, and find them there again."""
        self.directory = directory

    def lay_out(self, *parts: str) -> None:
        """Let the clocks of these parts be right, and put the library beside them, where every account may read it.

        Raises:
            NoFakeTime: as `library`.
        """
        self.directory.mkdir()
        self.directory.chmod(0o755)
        shutil.copy(library(), self.directory / NAME)
        (self.directory / NAME).chmod(0o755)
        for part in parts:
            self.set(part, timedelta(0))

    def set(self, part: str, by: timedelta) -> None:
        """Put a part's clock so far ahead of the true time, at once and also when it starts again."""
        with tempfile.NamedTemporaryFile("w", dir=self.directory, delete=False) as file:
            file.write(f"{by.total_seconds():+f}\n")
        Path(file.name).chmod(0o644)
        # In one step: a process that reads half of a file ends.
        Path(file.name).replace(self._file(part))

    def environment(self, part: str) -> dict[str, str]:
        """Return what a process needs in its environment to go by a part's clock; nothing for a part without one."""
        if not self._file(part).exists():
            return {}
        return {
            "LD_PRELOAD": str(self.directory / NAME),
            "FAKETIME_TIMESTAMP_FILE": str(self._file(part)),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }

    def drives(self, part: str, pid: int) -> bool:
        """Tell whether a process goes by a part's clock: it was told of the file, and has loaded the library."""
        process = Path("/proc") / str(pid)
        try:
            told = (process / "environ").read_bytes().split(b"\0")
            loaded = (process / "maps").read_bytes()
        except OSError:
            return False
        file = f"FAKETIME_TIMESTAMP_FILE={self._file(part)}"
        return file.encode() in told and bytes(self.directory / NAME) in loaded

    def clear_away(self) -> None:
        """Take away what the library leaves in shared memory for each process that was killed."""
        for left in _SHARED.glob("*faketime_*"):
            pid = left.name.rpartition("_")[2]
            if not Path(f"/proc/{pid}").exists():
                left.unlink(missing_ok=True)

    def _file(self, part: str) -> Path:
        return self.directory / f"{part}.clock"
