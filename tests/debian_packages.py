"""Programs that Debian packages, for tests against the real thing: on PATH, in the cache, or fetched by apt.

Nothing is installed and no privilege is needed: the package is downloaded and unpacked into the state directory.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

LIMIT_SECONDS = 300


class PackageUnavailable(RuntimeError):
    """The program is not here and could not be fetched. The message says how to install it."""


def debian_program(program: str, *, package: str, cache: Path, path: str | None = None) -> Path:
    """Return the path of a program. `path` replaces PATH, `cache` keeps what was unpacked.

    Raises:
        PackageUnavailable: it could not be got.
    """
    found = shutil.which(program, path=path)
    if found is not None:
        return Path(found)
    root = cache / package
    unpacked = root / "usr" / "bin" / program
    if not unpacked.exists():
        _unpack(package, root)
    if not unpacked.exists():
        raise PackageUnavailable(f"the package {package} holds no {program}")
    return unpacked


def _unpack(package: str, root: Path) -> None:
    root.mkdir(parents=True, exist_ok=True)
    for update_first in (False, True):
        if _download(package, root, update_first=update_first):
            [archive] = root.glob("*.deb")
            _run(["dpkg-deb", "-x", str(archive), str(root)], root)
            archive.unlink()
            return
    raise PackageUnavailable(
        f"{package} is not installed and apt could not fetch it: "
        f"run `apt-get install --no-install-recommends {package}`"
    )


def _download(package: str, root: Path, *, update_first: bool) -> bool:
    options: list[str] = []
    if update_first:
        # Lists of our own: the system's may be empty, and only root may refresh those.
        lists, archives = root / "apt" / "lists", root / "apt" / "cache"
        (lists / "partial").mkdir(parents=True, exist_ok=True)
        archives.mkdir(parents=True, exist_ok=True)
        options = ["-o", f"Dir::State::lists={lists}", "-o", f"Dir::Cache={archives}"]
        if not _run(["apt-get", *options, "update"], root):
            return False
    return _run(["apt-get", *options, "download", package], root)


def _run(command: list[str], folder: Path) -> bool:
    if shutil.which(command[0]) is None:
        return False
    done = subprocess.run(command, cwd=folder, capture_output=True, timeout=LIMIT_SECONDS)
    return done.returncode == 0
