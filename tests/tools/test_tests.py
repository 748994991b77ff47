"""What `make test` makes of failures, on small suites of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools.setup import ROOT

_BUSY = """
import pathlib
def test_lacks_time_at_first():
    tries = pathlib.Path("tries")
    seen = tries.exists()
    tries.touch()
    assert seen
def test_passes():
    with pathlib.Path("passes").open("a") as passes: passes.write("x")
"""
_BROKEN = "def test_is_wrong(): assert False\n"
_UNREADABLE = "import nothing_of_that_name\n"


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    return tmp_path


def run(suite: Path) -> subprocess.CompletedProcess[str]:
    program = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); from tools.tests import main; sys.exit(main([]))"
    )
    bare = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # plugins take most of a short run
    return subprocess.run(
        [sys.executable, "-c", program], cwd=suite, capture_output=True, text=True, check=False, env=bare
    )


def test_a_test_that_fails_once_is_run_again_alone(suite: Path) -> None:
    (suite / "test_busy.py").write_text(_BUSY)
    done = run(suite)
    assert done.returncode == 0
    assert (suite / "passes").read_text() == "x"
    assert "1 failed; once more, alone: test_busy.py::test_lacks_time_at_first" in done.stdout
    assert "passed alone" in done.stdout


def test_a_test_that_fails_twice_fails_the_run(suite: Path) -> None:
    (suite / "test_broken.py").write_text(_BROKEN)
    done = run(suite)
    assert done.returncode == 1
    assert "failed alone, too" in done.stdout


def test_many_failures_are_not_run_again(suite: Path) -> None:
    for number in range(4):
        (suite / f"test_busy_{number}.py").write_text(_BUSY.replace("tries", f"tries_{number}"))
    done = run(suite)
    assert done.returncode == 1
    assert "once more" not in done.stdout


def test_a_run_that_could_not_read_its_tests_fails(suite: Path) -> None:
    (suite / "test_busy.py").write_text(_BUSY)
    (suite / "test_unreadable.py").write_text(_UNREADABLE)
    done = run(suite)
    assert done.returncode == 2
    assert "once more" not in done.stdout


def test_results_of_an_earlier_run_are_forgotten(suite: Path) -> None:
    (suite / "test_broken.py").write_text(_BROKEN)
    run(suite)
    (suite / "test_broken.py").unlink()
    (suite / "test_busy.py").write_text(_BUSY)
    assert run(suite).returncode == 0
