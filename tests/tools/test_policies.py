from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools.policies import ROOT, failed_checks


def test_the_policies_of_the_repository_pass(opa_binary: Path) -> None:
    assert failed_checks(opa_binary, ROOT) == []


@pytest.mark.parametrize(
    ("addition", "check"),
    [
        ("\n\n\n", "opa fmt"),
        ("\nunsafe if not_defined_anywhere\n", "opa check"),
        ("\nnever_tested := 1 if input.untested\n", "opa test"),
    ],
)
def test_each_kind_of_flaw_is_found(tmp_path: Path, opa_binary: Path, addition: str, check: str) -> None:
    shutil.copytree(ROOT / "policies", tmp_path / "policies")
    rule = tmp_path / "policies" / "owning_team" / "policy.rego"
    rule.write_text(rule.read_text() + addition)
    assert any(one.startswith(check) for one in failed_checks(opa_binary, tmp_path))


def test_the_make_target_runs_it(opa_binary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLUICE_PROGRAMS__OPA", str(opa_binary))
    command = [sys.executable, "-m", "tools.policies"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "python -m tools.policies" in (ROOT / "Makefile").read_text()
