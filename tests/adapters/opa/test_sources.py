from __future__ import annotations

import json
from pathlib import Path

from adapters.opa.sources import POLICIES, policy_names, revision_of, snapshot_policies

_RULE = "package sluice.policies.scope\n\nevaluated := true\n"


def policies(directory: Path) -> Path:
    (directory / "scope" / "samples").mkdir(parents=True)
    (directory / "scope" / "policy.rego").write_text(_RULE)
    (directory / "scope" / "policy_test.rego").write_text("this does not even parse")
    for name in ("allowed.json", "data.json"):
        (directory / "scope" / "samples" / name).write_text("{}")
    return directory


def test_the_snapshot_holds_rules_and_what_they_are_but_no_tests_and_samples(tmp_path: Path) -> None:
    revision = snapshot_policies(tmp_path / "copy", policies(tmp_path / "policies"))
    names = {
        file.relative_to(tmp_path / "copy").as_posix()
        for file in (tmp_path / "copy").rglob("*")
        if file.is_file()
    }
    assert names == {"scope/policy.rego", "sluice/bundle/data.json", ".manifest"}
    described = json.loads((tmp_path / "copy" / "sluice" / "bundle" / "data.json").read_text())
    assert described == {"revision": revision, "policies": ["scope"], "described": [{"name": "scope"}]}
    assert json.loads((tmp_path / "copy" / ".manifest").read_text())["revision"] == revision
    assert revision.startswith("sha256:")


def test_the_revision_changes_with_a_rule_and_with_its_name_and_with_nothing_else(tmp_path: Path) -> None:
    source = policies(tmp_path / "policies")
    first = snapshot_policies(tmp_path / "copy", source)
    assert first == revision_of(source)
    (source / "scope" / "policy_test.rego").write_text("other")
    assert snapshot_policies(tmp_path / "copy", source) == first
    (source / "scope" / "policy.rego").rename(source / "scope" / "renamed.rego")
    renamed = snapshot_policies(tmp_path / "copy", source)
    (source / "scope" / "renamed.rego").write_text(_RULE + "\n")
    edited = snapshot_policies(tmp_path / "copy", source)
    assert len({first, renamed, edited}) == 3


def test_the_policies_are_the_folders_with_a_rule(tmp_path: Path) -> None:
    source = policies(tmp_path / "policies")
    (source / "half_made" / "samples").mkdir(parents=True)
    assert policy_names(source) == ("scope",)
    assert len(policy_names(POLICIES)) == 22
