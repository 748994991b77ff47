from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

from adapters.opa.checks import flaws_of
from tests.docs.pages import ROOT


def test_the_policy_of_the_how_to_passes_every_check(tmp_path: Path, opa_binary: Path) -> None:
    page = (ROOT / "docs" / "how-to" / "write-a-policy.md").read_text()
    rule, rule_test = re.findall(r"```rego\n(.*?)```", page, re.DOTALL)
    shutil.copytree(ROOT / "policies", tmp_path / "policies")
    folder = tmp_path / "policies" / "business_hours"
    folder.mkdir()
    (folder / "policy.rego").write_text(rule)
    (folder / "policy_test.rego").write_text(rule_test)
    samples = tmp_path / "policies" / "owning_team" / "samples"
    shutil.copytree(samples, folder / "samples")
    allowed = json.loads((samples / "allowed.json").read_text())
    denied = allowed | {"production": True, "now": "2026-11-21T03:00:00+00:00"}
    (folder / "samples" / "denied.json").write_text(json.dumps(denied))
    assert flaws_of(opa_binary, tmp_path / "policies") == []
