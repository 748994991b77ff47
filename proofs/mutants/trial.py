"""Runs the tests of a mutant in the copy, and says whether one of them noticed."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from xml.etree import ElementTree

import hypothesis
import pytest

from proofs.mutants.mutant import Mutant
from proofs.mutants.working_copy import ROOT, applied

LONGEST = 600.0
"""Seconds after which the tests of one mutant are given up."""
_GREEN, _RED, _CRASHED = 0, 1, 70
_LOOK_EVERY = 0.02
_PROFILE = "mutants"
_PRELOADED = (
    "aiohttp",
    "asyncpg",
    "cryptography.hazmat.primitives.asymmetric.ed25519",
    "fastapi",
    "httpx",
    "pydantic_settings",
    "sqlalchemy.ext.asyncio",
    "temporalio.testing",
    "temporalio.worker",
    "yaml",
)
_QUIETLY = [
    *("-x", "-q", "-p", "no:cacheprovider", "-p", "no:langsmith_plugin"),
    # Loaded before pytest began: their own assertions need no rewriting.
    *("-W", "ignore::pytest.PytestAssertRewriteWarning"),
    f"--hypothesis-profile={_PROFILE}",
]
_NO_TEST_RAN = ("ImportError", "ModuleNotFoundError", "SyntaxError", "NameError")
"""Failures of a broken program, not of a broken promise."""


class Result(StrEnum):
    """What became of a mutant. Only the first is as it must be."""

    KILLED = "killed"
    SURVIVED = "survived"
    ERROR = "error"
    """The tests could not judge it: collection, a fixture or an import broke, or time ran out."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One mutant, tried."""

    mutant: str
    result: Result
    told: str
    """The test that went red first, or what went wrong."""
    seconds: float


@dataclass(frozen=True, slots=True)
class Run:
    """One run of pytest."""

    status: int
    failed: tuple[str, ...]
    """Tests whose own assertions or calls failed."""
    broken: tuple[str, ...]
    """Tests that could not run, and collections that failed."""
    output: str


def try_mutant(mutant: Mutant, copy: Path, scratch: Path) -> Trial:
    """Return whether the mutant's tests notice it. The copy is as before afterwards."""
    began = time.monotonic()
    with applied(mutant, copy):
        run = run_tests(mutant.tests, copy, scratch)
    result, told = _judged(run)
    return Trial(mutant.name, result, told, time.monotonic() - began)


def _judged(run: Run) -> tuple[Result, str]:
    if run.status == _RED and run.failed:
        return Result.KILLED, run.failed[0]
    if run.status == _GREEN:
        return Result.SURVIVED, "every test named is green"
    return Result.ERROR, run.broken[0] if run.broken else run.output[-500:].strip()


def preload() -> None:
    """Import what most tests import and no mutant is in, so that a fork for each run need not."""
    for name in _PRELOADED:
        importlib.import_module(name)
    # The same examples each time, and none that counts as red for being slow.
    too_slow = [hypothesis.HealthCheck.too_slow]
    hypothesis.settings.register_profile(
        _PROFILE, deadline=None, derandomize=True, database=None, suppress_health_check=too_slow
    )


def run_tests(tests: Sequence[str], copy: Path, scratch: Path, *, keep_byte_code: bool = False) -> Run:
    """Run tests in the copy until the first is red, in a fork that has no module of ours yet.

    `scratch` is a folder of this run's own.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    report, output = scratch / "report.xml", scratch / "output"
    report.unlink(missing_ok=True)
    arguments = [*_QUIETLY, f"--basetemp={scratch / 'pytest'}", f"--junitxml={report}", *tests]
    child = os.fork()
    if child == 0:
        status = _CRASHED
        try:
            status = _become_pytest(arguments, copy, output, keep_byte_code=keep_byte_code)
        finally:
            os._exit(status)
    status = _waited(child, LONGEST if not keep_byte_code else LONGEST * 10)
    failed, broken = _read(report)
    return Run(status, failed, broken, output.read_text(errors="replace") if output.exists() else "")


def _become_pytest(arguments: list[str], copy: Path, output: Path, *, keep_byte_code: bool) -> int:
    with output.open("wb") as written, Path(os.devnull).open("rb") as nothing:
        for stream, number in ((nothing, 0), (written, 1), (written, 2)):
            os.dup2(stream.fileno(), number)
    os.chdir(copy)
    sys.dont_write_bytecode = not keep_byte_code
    os.environ["PYTHONPATH"] = str(copy)
    ours = [name for name in sys.modules if name.partition(".")[0] == __name__.partition(".")[0]]
    for name in ours:
        del sys.modules[name]
    sys.path[:] = [str(copy), *(one for one in sys.path if one and Path(one).resolve() != ROOT)]
    return int(pytest.main(arguments))


def _waited(child: int, seconds: float) -> int:
    """Return a child's exit status, a signal as a negative number; end it when it takes too long."""
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(_LOOK_EVERY)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return -signal.SIGKILL


def _read(report: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return which tests failed and which broke, from a JUnit report that pytest wrote."""
    failed: list[str] = []
    broken: list[str] = []
    if not report.exists():
        return (), ()
    for case in ElementTree.parse(report).iter("testcase"):  # noqa: S314  pytest wrote it a moment ago
        name = f"{case.get('classname')}::{case.get('name')}"
        for failure in case.findall("failure"):
            message = failure.get("message") or ""
            (broken if message.startswith(_NO_TEST_RAN) else failed).append(name)
        broken += [f"{name}: {error.get('message') or 'error'}" for error in case.findall("error")]
    return tuple(failed), tuple(broken)
