"""Runs pytest in forks of a process that has every library loaded already, and no module of ours.

What a run costs besides its tests is importing: libraries are three quarters of it. They are imported once, as the
first run has told which. Our own modules are imported by each fork anew, from the copy with the mutant in it.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import hypothesis
import pytest

from proofs.mutants.recorder import Recorder
from proofs.mutants.working_copy import ROOT

_CRASHED = 70
_LOOK_EVERY = 0.01
_CLEANS_UP_WITHIN = 30.0
"""Seconds that a run gets once a test is red: what comes then changes nothing."""
_PROFILE = "mutants"
_QUIETLY = [
    *("-q", "-p", "no:cacheprovider", "-p", "no:langsmith_plugin"),
    # Loaded before pytest began: their own assertions need no rewriting.
    *("-W", "ignore::pytest.PytestAssertRewriteWarning"),
    f"--hypothesis-profile={_PROFILE}",
]
SERVER = "SLUICE_TESTS_POSTGRES"
"""Names the directory of a PostgreSQL that runs for all tests, where one does (tests/conftest.py)."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of pytest."""

    status: int
    failed: tuple[str, ...]
    """Node ids of tests whose own assertions or calls failed."""
    broken: tuple[str, ...]
    """Tests that could not run, and collections that failed."""
    output: str
    libraries: tuple[str, ...] = ()
    """Modules that the run had to load, and that are not ours."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where tests run."""

    copy: Path
    scratch: Path
    """A folder of this run's own."""
    server: Path | None = None
    """Directory of a PostgreSQL that is shared; None: the tests start their own."""


@cache
def preload(libraries: tuple[str, ...] = ()) -> None:
    """Load libraries, so that no fork has to. A fork shares the memory of what is loaded by now."""
    for name in libraries:
        with suppress(ImportError):  # A part of a library that only another part of it may import.
            importlib.import_module(name)
    # The same examples each time, and none that counts as red for being slow.
    too_slow = [hypothesis.HealthCheck.too_slow]
    hypothesis.settings.register_profile(
        _PROFILE, deadline=None, derandomize=True, database=None, suppress_health_check=too_slow
    )
    gc.collect()
    gc.freeze()


def run_tests(tests: Sequence[str], place: Place, longest: float, *, whole: bool = False) -> Run:
    """Run tests in the copy until the first is red, in a fork; give up after `longest` seconds.

    `whole`: run all of them, whatever is red, and keep the byte code of the copy for other runs.
    """
    place.scratch.mkdir(parents=True, exist_ok=True)
    found, output = place.scratch / "found.json", place.scratch / "output"
    found.unlink(missing_ok=True)
    until = [] if whole else ["-x"]
    arguments = [*_QUIETLY, *until, f"--basetemp={place.scratch / 'pytest'}", *tests]
    child = os.fork()
    if child == 0:
        status = _CRASHED
        try:
            status = _become_pytest(arguments, place, output, found, keep_byte_code=whole)
        finally:
            os._exit(status)
    status = _waited(child, longest, None if whole else found)
    told = json.loads(found.read_text(encoding="utf-8")) if found.exists() else {}
    lists = {name: tuple(told.get(name, ())) for name in ("failed", "broken", "libraries")}
    written = output.read_text(encoding="utf-8", errors="replace") if output.exists() else ""
    return Run(status=status, output=written, **lists)


def _become_pytest(
    arguments: list[str], place: Place, output: Path, found: Path, *, keep_byte_code: bool
) -> int:
    with output.open("wb") as written, Path(os.devnull).open("rb") as nothing:
        for stream, number in ((nothing, 0), (written, 1), (written, 2)):
            os.dup2(stream.fileno(), number)
    os.chdir(place.copy)
    sys.dont_write_bytecode = not keep_byte_code
    os.environ["PYTHONPATH"] = str(place.copy)
    if place.server is not None:
        os.environ[SERVER] = str(place.server)
    recorder = Recorder(found, place.copy)
    for name in [name for name, module in sys.modules.items() if _is_ours(module)]:
        del sys.modules[name]
    sys.path[:] = [str(place.copy), *(one for one in sys.path if one and Path(one).resolve() != ROOT)]
    return int(pytest.main(arguments, plugins=[recorder]))


def _is_ours(module: object) -> bool:
    file = getattr(module, "__file__", None)
    places = [file] if file else list(getattr(module, "__path__", ()))
    return any(Path(one).is_relative_to(ROOT) and "site-packages" not in Path(one).parts for one in places)


def _waited(child: int, seconds: float, found: Path | None) -> int:
    """Return a child's exit status, a signal as a negative number; end it when it takes too long.

    Once there is a file `found`, not much more is waited for.
    """
    give_up, is_red = time.monotonic() + seconds, False
    while time.monotonic() < give_up:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if not is_red and found is not None and found.exists():
            is_red, give_up = True, min(give_up, time.monotonic() + _CLEANS_UP_WITHIN)
        time.sleep(_LOOK_EVERY)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return -signal.SIGKILL
