from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from local.environment import ROOT


def test_the_make_target_runs_every_check(opa_binary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLUICE_PROGRAMS__OPA", str(opa_binary))
    command = [sys.executable, "-m", "tools.policies"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "nothing found" in done.stderr
    assert "python -m tools.policies" in (ROOT / "Makefile").read_text()
