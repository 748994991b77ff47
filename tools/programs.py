"""Find or get the programs that Sluice runs but does not contain: Temporal and OPA.

In this order: the path a setting names → PATH → the cache in the state directory → the vendor's download → a
build through the Go module proxy. The last two fill the cache. Every candidate is asked for its version; one
that is unsuitable is reported and passed over, except a path that a setting names: there the person is told.

`python -m tools.programs [--name NAME] [--state-dir DIR]` prints one `name<TAB>path` line per program.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from settings import ProgramSettings, Settings, default_state_dir
from tools.catalogue import PROGRAMS, Program, Version
from tools.getting import GettingError, Progress, build, download

_VERSION_LIMIT = 20.0
_ROOT = 0


class Source(StrEnum):
    """Where a program came from, in the order in which the places are tried."""

    SETTING = "setting"
    PATH = "PATH"
    CACHE = "cache"
    DOWNLOAD = "download"
    BUILD = "build"


@dataclass(frozen=True, slots=True)
class Found:
    """A program that may be used."""

    name: str
    path: Path
    version: Version
    source: Source


@dataclass(frozen=True, slots=True)
class Attempt:
    """A place that was tried, and why it did not give the program."""

    source: Source
    reason: str


@dataclass(frozen=True, slots=True)
class Search:
    """What a look at this machine gave: a program, or the reasons why not."""

    found: Found | None
    attempts: tuple[Attempt, ...]


class ProgramNotFoundError(Exception):
    """No place gave a suitable program. `attempts` lists every one with its reason."""

    def __init__(self, program: Program, attempts: tuple[Attempt, ...]) -> None:
        self.program = program
        self.attempts = attempts
        tried = "\n".join(f"  {attempt.source}: {attempt.reason}" for attempt in attempts)
        super().__init__(
            f"{program.name} {program.pinned} cannot be found or fetched. Tried, in this order:\n{tried}\n"
            f"Any one of these helps: put a suitable `{program.name}` on PATH; set {program.setting} to its path; "
            f"install Go and allow its module proxy; allow the vendor's download; "
            f"or set {program.substitute} to use one that already runs elsewhere."
        )


def quiet(_: str) -> None:
    """A progress callback that says nothing."""


def resolve(
    program: Program, *, state_dir: Path, explicit: Path | None = None, progress: Progress = quiet
) -> Found:
    """The program, found on this machine or else downloaded or built into the cache.

    Safe to call from several processes at once: one of them gets the program, the others wait and use it.
    Raises `ProgramNotFoundError`.
    """
    search = locate(program, state_dir=state_dir, explicit=explicit, progress=progress)
    if search.found is not None:
        return search.found
    if explicit is not None:
        raise ProgramNotFoundError(program, search.attempts)
    state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    cache = state_dir / "programs"
    with _lock(cache / f".{program.name}.lock", program, progress):
        again = _judge_cache(program, cache)
        if isinstance(again, Found):
            return again
        return _get(program, cache, search.attempts, progress)


def locate(
    program: Program, *, state_dir: Path, explicit: Path | None = None, progress: Progress = quiet
) -> Search:
    """Look in the places of this machine only: setting, PATH, cache. No network, nothing written."""
    if explicit is not None:
        judged = _judge(program, explicit, Source.SETTING)
        return Search(judged, ()) if isinstance(judged, Found) else Search(None, (judged,))
    attempts: list[Attempt] = []
    for judged in _candidates(program, state_dir):
        if isinstance(judged, Found):
            return Search(judged, tuple(attempts))
        attempts.append(judged)
        progress(f"{program.name}: {judged.source}: {judged.reason}")
    return Search(None, tuple(attempts))


def _candidates(program: Program, state_dir: Path) -> Iterator[Found | Attempt]:
    on_path = shutil.which(program.name)
    yield (
        _judge(program, Path(on_path), Source.PATH)
        if on_path
        else Attempt(Source.PATH, f"no `{program.name}` there")
    )
    # A cached program is the same for every state directory: a second one need not build it again.
    for directory in dict.fromkeys((state_dir, default_state_dir())):
        yield _judge_cache(program, directory / "programs")


def _judge_cache(program: Program, cache: Path) -> Found | Attempt:
    path = cached_path(program, cache)
    if not path.exists():
        return Attempt(Source.CACHE, f"no {path}")
    if path.stat().st_uid not in (os.geteuid(), _ROOT):
        # Judging it means running it.
        return Attempt(Source.CACHE, f"{path} belongs to somebody else")
    return _judge(program, path, Source.CACHE)


def cached_path(program: Program, cache: Path) -> Path:
    """Where the pinned version stands in the cache directory `cache`."""
    return cache / f"{program.name}-{program.pinned}" / program.name


def _judge(program: Program, path: Path, source: Source) -> Found | Attempt:
    try:
        done = subprocess.run(
            [str(path), *program.version_arguments],
            capture_output=True, text=True, timeout=_VERSION_LIMIT, stdin=subprocess.DEVNULL, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as cause:
        return Attempt(source, f"{path} does not run: {cause}")
    version = program.version_in(done.stdout)
    if done.returncode != 0 or version is None:
        return Attempt(source, f"{path} does not tell its version")
    objection = program.objection(version)
    return (
        Attempt(source, f"{path}: {objection}") if objection else Found(program.name, path, version, source)
    )


def _get(program: Program, cache: Path, attempts: tuple[Attempt, ...], progress: Progress) -> Found:
    tried = list(attempts)
    ways: tuple[tuple[Source, Callable[[Program, Path, Progress], None]], ...] = (
        (Source.DOWNLOAD, download),
        (Source.BUILD, build),
    )
    for source, way in ways:
        # Under our lock: whatever an interrupted run left behind is ours to remove.
        for stale in cache.glob(f".{program.name}-*"):
            shutil.rmtree(stale)
        with tempfile.TemporaryDirectory(prefix=f".{program.name}-", dir=cache) as work:
            candidate = Path(work) / program.name
            try:
                way(program, candidate, progress)
            except GettingError as cause:
                tried.append(Attempt(source, str(cause)))
                progress(f"{program.name}: {source}: {cause}")
                continue
            judged = _judge(program, candidate, source)
            if isinstance(judged, Found):
                target = cached_path(program, cache)
                target.parent.mkdir(exist_ok=True)
                candidate.rename(target)
                return Found(program.name, target, judged.version, source)
            tried.append(judged)
    raise ProgramNotFoundError(program, tuple(tried))


@contextmanager
def _lock(path: Path, program: Program, progress: Progress) -> Iterator[None]:
    path.parent.mkdir(exist_ok=True)
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress(f"{program.name}: waiting for another process that is getting it")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def explicit_path(settings: ProgramSettings, program: Program) -> Path | None:
    """The path that a setting names for `program`."""
    return {"temporal": settings.temporal, "opa": settings.opa}[program.name]


def main(arguments: list[str] | None = None) -> int:
    """Command line. 0 when every asked program is there, 1 otherwise."""
    settings = Settings()
    parser = argparse.ArgumentParser(
        prog="python -m tools.programs", description="Find or get Temporal and OPA."
    )
    parser.add_argument(
        "--name", choices=sorted(PROGRAMS), action="append", help="only this program; repeatable"
    )
    parser.add_argument(
        "--state-dir", type=Path, default=settings.state_dir, help="its `programs/` is the cache"
    )
    options = parser.parse_args(arguments)
    for name in options.name or sorted(PROGRAMS):
        program = PROGRAMS[name]
        try:
            found = resolve(
                program,
                state_dir=options.state_dir,
                explicit=explicit_path(settings.programs, program),
                progress=lambda message: print(message, file=sys.stderr, flush=True),
            )
        except ProgramNotFoundError as cause:
            print(cause, file=sys.stderr)
            return 1
        print(f"{program.judged} {found.version} from {found.source}", file=sys.stderr)
        print(f"{found.name}\t{found.path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
