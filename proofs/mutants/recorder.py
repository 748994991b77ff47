"""A pytest plugin that writes down which tests failed, which could not run, and which libraries were loaded."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

_NO_TEST_RAN = ("ImportError", "ModuleNotFoundError", "SyntaxError", "NameError")
"""Failures of a broken program, not of a broken promise."""


class Recorder:
    """Lives in one run of pytest. `given` are the modules that the run began with."""

    def __init__(self, to: Path, copy: Path) -> None:
        """Write to `to`; what is in `copy` is ours, whatever else is loaded a library's."""
        self._to = to
        self._copy = copy
        self._given = frozenset(sys.modules)
        self._failed: list[str] = []
        self._broken: list[str] = []

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note what cannot be collected."""
        if report.failed:
            self._broken.append(f"{report.nodeid}: {_last_line(report)}")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a test that is red: by its own call, or because what it stands on broke."""
        if not report.failed:
            return
        told = _last_line(report)
        if report.when == "call" and not told.startswith(_NO_TEST_RAN):
            self._failed.append(report.nodeid)
            # At once: what the test has used may never come to its end.
            self._write()
        else:
            self._broken.append(f"{report.nodeid}: {told}")

    def pytest_sessionfinish(self) -> None:
        """Write it down."""
        self._write(sorted(self._libraries()))

    def _write(self, libraries: Sequence[str] = ()) -> None:
        found = {"failed": self._failed, "broken": self._broken, "libraries": libraries}
        written = self._to.with_suffix(".part")
        written.write_text(json.dumps(found), encoding="utf-8")
        written.replace(self._to)

    def _libraries(self) -> Iterable[str]:
        for name, module in list(sys.modules.items()):
            spec = getattr(module, "__spec__", None)
            if name in self._given or spec is None or not spec.has_location or spec.name != name:
                continue
            if not Path(spec.origin).is_relative_to(self._copy):
                yield name


def _last_line(report: pytest.CollectReport | pytest.TestReport) -> str:
    """Return what was raised, in one line."""
    crash = getattr(report.longrepr, "reprcrash", None)
    told = crash.message if crash is not None else report.longreprtext
    return str(told).strip().partition("\n")[0]
