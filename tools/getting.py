"""The two ways to get a program that is nowhere on the machine: the vendor's download, and a Go build.

Both write the program to a given path and raise `GettingError` with a reason a person can act on. Whether the
result is suitable is judged by the caller, as for any other candidate.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx

from tools.catalogue import OPA, TEMPORAL, Program

Progress = Callable[[str], None]

CONNECT_TIMEOUT = 3.0
"""Seconds. A machine without the internet must not wait long before the next step."""
_READ_TIMEOUT = 30.0
_DOWNLOAD_LIMIT = 900.0
_BUILD_LIMIT = 1800.0
TEMPORAL_SITE = "https://temporal.download"
OPA_SITE = "https://openpolicyagent.org/downloads"
_OPA_ASSETS = {
    ("linux", "x86_64"): "opa_linux_amd64_static",
    ("linux", "aarch64"): "opa_linux_arm64_static",
    ("darwin", "x86_64"): "opa_darwin_amd64",
    ("darwin", "arm64"): "opa_darwin_arm64_static",
}
GO_INSTALLATION = "/usr/local/go/bin"
"""Where Go's own installer puts it, which is not on everybody's PATH."""
_WRAPPERS = Path(__file__).parent


class GettingError(Exception):
    """A download or build did not work; the message is the reason."""


def download(program: Program, destination: Path, progress: Progress) -> None:
    """Fetch the pinned version from its vendor and write it to `destination`, executable."""
    if program is TEMPORAL:
        _download_temporal(destination, progress)
    elif program is OPA:
        _download_opa(destination, progress)
    else:
        raise GettingError(f"there is no vendor download known for {program.name}")


def build(program: Program, destination: Path, progress: Progress) -> None:
    """Build the pinned version with Go, through our wrapper module and its checksums, into `destination`."""
    go = find_go()
    if go is None:
        raise GettingError("Go is not installed (no `go` on PATH)")
    progress(f"building {program.name} {program.pinned} with {go}; the first time takes minutes")
    command = [
        str(go), "build", "-C", str(_WRAPPERS / (program.wrapper or program.name)),
        "-mod=readonly", "-trimpath", "-buildvcs=false",
        "-ldflags", program.link_flags, "-o", str(destination), program.package,
    ]  # fmt: skip
    _run(command, _BUILD_LIMIT, {**os.environ, "CGO_ENABLED": "0"})


def find_go() -> Path | None:
    """The Go command: on PATH, or where Go's own installer puts it."""
    found = shutil.which("go") or shutil.which("go", path=GO_INSTALLATION)
    return Path(found) if found else None


def _run(command: list[str], limit: float, environment: dict[str, str]) -> None:
    try:
        done = subprocess.run(
            command,
            capture_output=True, text=True, timeout=limit, env=environment, stdin=subprocess.DEVNULL, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as cause:
        raise GettingError(f"`{Path(command[0]).name}` did not finish within {limit:.0f} s") from cause
    except OSError as cause:
        raise GettingError(f"`{command[0]}` cannot be started: {cause.strerror}") from cause
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise GettingError(f"`{Path(command[0]).name}` ended with status {done.returncode}: {last[:500]}")


def _download_temporal(destination: Path, progress: Progress) -> None:
    """By the SDK's own downloader, in a process of its own: it has no time-out that we could set."""
    _reach(TEMPORAL_SITE)
    progress(f"downloading temporal {TEMPORAL.pinned} with the Temporal SDK's downloader")
    target = destination.with_name(f"{destination.name}.download")
    target.mkdir()
    command = [sys.executable, "-m", "tools.temporal_download", TEMPORAL.pinned, str(target)]
    _run(command, _DOWNLOAD_LIMIT, {**os.environ, "PYTHONPATH": str(_WRAPPERS.parent)})
    programs = [path for path in target.iterdir() if path.is_file()]
    if len(programs) != 1:
        raise GettingError("the Temporal SDK's downloader left no program behind")
    programs[0].rename(destination)
    shutil.rmtree(target)


def _download_opa(destination: Path, progress: Progress) -> None:
    """Over HTTPS, compared with the SHA-256 that the vendor publishes beside it."""
    machine = (sys.platform, platform.machine().lower())
    asset = _OPA_ASSETS.get(machine)
    if asset is None:
        raise GettingError(f"the vendor has no download for {machine[0]} on {machine[1]}")
    address = f"{OPA_SITE}/v{OPA.pinned}/{asset}"
    progress(f"downloading opa {OPA.pinned}")
    timeout = httpx.Timeout(_READ_TIMEOUT, connect=CONNECT_TIMEOUT)
    try:
        with httpx.Client(timeout=timeout, follow_redirects=True) as client:
            expected = client.get(f"{address}.sha256").raise_for_status().text.split()[0].lower()
            digest = hashlib.sha256()
            with client.stream("GET", address) as response, destination.open("wb") as file:
                response.raise_for_status()
                for chunk in response.iter_bytes():
                    digest.update(chunk)
                    file.write(chunk)
    except (httpx.HTTPError, IndexError) as cause:
        raise GettingError(f"{OPA_SITE} cannot be used: {_describe(cause)}") from cause
    if digest.hexdigest() != expected:
        destination.unlink()
        raise GettingError("the download does not match the vendor's published SHA-256")
    destination.chmod(0o755)


def _reach(site: str) -> None:
    try:
        httpx.head(site, timeout=httpx.Timeout(CONNECT_TIMEOUT * 2, connect=CONNECT_TIMEOUT))
    except httpx.HTTPError as cause:
        raise GettingError(f"{site} cannot be reached: {_describe(cause)}") from cause


def _describe(cause: Exception) -> str:
    return str(cause) or type(cause).__name__
