from __future__ import annotations

import re
import shutil
from pathlib import Path

from tests.docs.pages import ROOT
from tools.policies import failed_checks


def test_the_policy_of_the_how_to_passes_every_check(tmp_path: Path, opa_binary: Path) -> None:
    page = (ROOT / "docs" / "how-to" / "write-a-policy.md").read_text()
    rule, rule_test = re.findall(r"```rego\n(.*?)```", page, re.DOTALL)
    shutil.copytree(ROOT / "policies", tmp_path / "policies")
    folder = tmp_path / "policies" / "business_hours"
    folder.mkdir()
    (folder / "policy.rego").write_text(rule)
    (folder / "policy_test.rego").write_text(rule_test)
    whole = tmp_path / "policies" / "main_test.rego"
    whole.write_text(whole.read_text().replace("rules_evaluated == 4", "rules_evaluated == 5"))
    assert failed_checks(opa_binary, tmp_path) == []
