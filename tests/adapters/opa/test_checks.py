from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from adapters.opa.checks import flaws_of
from adapters.opa.sources import POLICIES
from contracts.errors import ConfigurationInvalid

MAIN_TEST = """package sluice_test

import data.sluice

test_verdict if {
	count(sluice.verdict.violations) > 0 with input as {}
	sluice.verdict.revision == "unversioned"
	sluice.verdict.revision == "r" with data.sluice.bundle as {"revision": "r", "policies": []}
}
"""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Three of the policies: enough to be a set, few enough to be quick."""
    kept = ("pool_observed", "owning_team", "region")
    shutil.copytree(POLICIES, tmp_path / "policies", ignore=_all_but(kept))
    # The test of main.rego speaks of the whole set.
    (tmp_path / "policies" / "main_test.rego").write_text(MAIN_TEST)
    return tmp_path / "policies"


def _all_but(kept: tuple[str, ...]) -> Callable[[str, list[str]], list[str]]:
    def ignore(directory: str, names: list[str]) -> list[str]:
        if Path(directory) != POLICIES:
            return []
        return [name for name in names if name not in (*kept, "main.rego", "data.yaml")]

    return ignore


def checks(opa: Path, source: Path) -> set[str]:
    return {flaw.check for flaw in flaws_of(opa, source)}


def test_a_part_of_the_policies_passes_without_the_others(opa_binary: Path, copy: Path) -> None:
    assert flaws_of(opa_binary, copy) == []


@pytest.mark.parametrize(
    ("addition", "check"),
    [
        ("\n\n\n", "format"),
        ("\nunsafe if not_defined_anywhere\n", "compile"),
        ("\nnever_tested := 1 if input.untested\n", "coverage"),
    ],
    ids=["format", "compile", "coverage"],
)
def test_each_kind_of_flaw_in_a_rule_is_found(
    copy: Path, opa_binary: Path, addition: str, check: str
) -> None:
    rule = copy / "owning_team" / "policy.rego"
    rule.write_text(rule.read_text() + addition)
    (found,) = [one for one in flaws_of(opa_binary, copy) if one.check == check]
    assert "owning_team/policy.rego" in found.message


def test_a_test_that_fails_is_found(copy: Path, opa_binary: Path) -> None:
    rule = copy / "owning_team" / "policy.rego"
    rule.write_text(rule.read_text().replace("No team owns", "Nobody owns"))
    assert "test" in checks(opa_binary, copy)


def test_a_policy_without_any_test_is_found(copy: Path, opa_binary: Path) -> None:
    (copy / "region" / "policy_test.rego").unlink()
    assert "coverage" in checks(opa_binary, copy)


@pytest.mark.parametrize("kind", ["allowed", "denied"])
def test_a_missing_sample_is_found(copy: Path, opa_binary: Path, kind: str) -> None:
    (copy / "region" / "samples" / f"{kind}.json").unlink()
    (found,) = [flaw for flaw in flaws_of(opa_binary, copy) if flaw.check == "samples"]
    assert f"{kind}.json: cannot be read" in found.message


def test_samples_that_say_the_wrong_thing_are_found_and_named(copy: Path, opa_binary: Path) -> None:
    samples = copy / "region" / "samples"
    allowed, denied = ((samples / f"{kind}.json").read_text() for kind in ("allowed", "denied"))
    (samples / "allowed.json").write_text(denied)
    (samples / "denied.json").write_text(allowed)
    found = [flaw.message for flaw in flaws_of(opa_binary, copy) if flaw.check == "samples"]
    assert found == [
        "region/samples/allowed.json violates region",
        "region/samples/denied.json violates nothing instead of region alone",
    ]


def test_a_sample_that_violates_another_policy_too_is_found(copy: Path, opa_binary: Path) -> None:
    denied = copy / "region" / "samples" / "denied.json"
    document = json.loads(denied.read_text())
    denied.write_text(json.dumps(document | {"target": None}))
    found = [flaw.message for flaw in flaws_of(opa_binary, copy) if flaw.check == "samples"]
    assert found == ["region/samples/denied.json violates owning_team, region instead of region alone"]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('"level": "hard"', '"level": "mandatory"', "violations.0.level"),
        ('"level": "hard"', '"level": "hard",\n\t\t"group": ["finance"]', "violations.0.group"),
    ],
    ids=["an unknown level", "a misspelt key"],
)
def test_a_violation_that_no_pass_would_take_is_found(
    copy: Path, opa_binary: Path, old: str, new: str, told: str
) -> None:
    rule = copy / "region" / "policy.rego"
    rule.write_text(rule.read_text().replace(old, new))
    found = [flaw.message for flaw in flaws_of(opa_binary, copy) if flaw.check == "samples"]
    assert any("region/samples/denied.json" in message and told in message for message in found)


def test_a_policy_that_does_not_say_that_it_was_evaluated_is_found(copy: Path, opa_binary: Path) -> None:
    rule = copy / "region" / "policy.rego"
    rule.write_text(rule.read_text().replace("evaluated := true\n", "evaluated := false\n"))
    assert any("evaluated := true" in flaw.message for flaw in flaws_of(opa_binary, copy))


def test_limits_that_are_not_whole_are_found_with_their_line(copy: Path, opa_binary: Path) -> None:
    data = copy / "data.yaml"
    data.write_text('sluice:\n  limits:\n    pool_maximum: {default: "50"}\n')
    (found,) = [flaw for flaw in flaws_of(opa_binary, copy) if flaw.check == "limits"]
    assert "data.yaml:3: sluice.limits.pool_maximum.default" in found.message


def test_a_directory_without_policies_is_no_set_of_policies(tmp_path: Path, opa_binary: Path) -> None:
    with pytest.raises(ConfigurationInvalid):
        flaws_of(opa_binary, tmp_path)


def test_without_opa_it_says_so(copy: Path) -> None:
    with pytest.raises(ConfigurationInvalid):
        flaws_of(copy / "no-opa", copy)
