from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from adapters.configuration import load
from adapters.opa.limits import PolicyLimits, check_limits
from adapters.opa.sources import POLICIES, policy_names
from contracts.errors import ConfigurationInvalid
from local.stack import PRACTICE_CONFIGURATION


def limits(tmp_path: Path, text: str) -> Path:
    (tmp_path / "data.yaml").write_text(f"sluice:\n  limits:\n    {text}\n")
    return tmp_path


def test_the_shipped_limits_are_whole() -> None:
    check_limits(POLICIES)


def test_no_file_is_no_limits(tmp_path: Path) -> None:
    check_limits(tmp_path)


def test_every_example_in_the_shipped_file_is_whole_once_it_is_in_force(tmp_path: Path) -> None:
    text = (POLICIES / "data.yaml").read_text()
    examples = [line for line in text.splitlines() if line.startswith("    # ") and ": {" in line]
    (tmp_path / "data.yaml").write_text("\n".join([text, *(line.replace("# ", "", 1) for line in examples)]))
    check_limits(tmp_path)
    given = yaml.safe_load((tmp_path / "data.yaml").read_text())["sluice"]["limits"]
    assert len(examples) == 13
    assert set(given) == set(PolicyLimits.model_fields)


def test_limits_are_named_like_the_policies_that_read_them() -> None:
    assert set(PolicyLimits.model_fields) <= set(policy_names())


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("pool_maximum:", "pool_maximum: say the limits or leave the key out"),
        ("pool_maximum: {}", "data.yaml:3: sluice.limits.pool_maximum.default"),
        ('pool_maximum: {default: "50"}', "sluice.limits.pool_maximum.default"),
        ("pool_maximum: {default: true}", "sluice.limits.pool_maximum.default"),
        (
            "pool_maximum: {default: 50, maximum: 5}",
            "sluice.limits.pool_maximum.maximum: this key is not known",
        ),
        (
            "region: {environments: {production: europe-west4}}",
            "sluice.limits.region.environments.production",
        ),
        ("model_allow_list: {models: []}", "sluice.limits.model_allow_list.models"),
        ('disk_encryption: {environments: [production], key_prefixes: [""]}', "key_prefixes[0]"),
        ("disk_bounds: {types: [pd-ssd], min_gb: 100, max_gb: 50}", "min_gb is above max_gb"),
        (
            'production_hours: {time_zone: Europe/Nowhere, days: [Monday], from: "09:00", until: "17:00"}',
            "is not a time zone",
        ),
        (
            'production_hours: {time_zone: UTC, days: [Monday], from: "17:00", until: "09:00"}',
            "`from` must be before `until`",
        ),
        (
            "business_impact: {above: 5, groups: [board], quorum: 1, needed_in: []}",
            "sluice.limits.business_impact.above",
        ),
        (
            "business_impact: {above: 0.05, groups: [], quorum: 1, needed_in: []}",
            "sluice.limits.business_impact.groups",
        ),
        (
            "cost_needs_finance: {monthly_above: 10, currency: USD, groups: [The Board]}",
            "sluice.limits.cost_needs_finance.groups[0]",
        ),
        ("cost_needs_finance: {monthly_above: .nan, currency: USD, groups: [finance]}", "monthly_above"),
        ("own: {}\n  bundle: {revision: mine}", "`bundle` is written when the policies are packed"),
        ("own: {}\n    own: {}", "is given twice"),
    ],
    ids=lambda value: value[:50].replace("\n", " "),
)
def test_what_is_not_whole_is_refused_with_its_place(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(ConfigurationInvalid) as refused:
        check_limits(limits(tmp_path, text))
    assert told in str(refused.value)


def test_a_file_that_misspells_limits_is_refused_since_none_would_be_in_force(tmp_path: Path) -> None:
    (tmp_path / "data.yaml").write_text("sluice:\n  limit:\n    pool_maximum: {default: 50}\n")
    with pytest.raises(ConfigurationInvalid, match="has limit, and no `limits`"):
        check_limits(tmp_path)


def test_limits_of_an_operators_own_policies_are_theirs(tmp_path: Path) -> None:
    own = tmp_path / "business_hours" / "policy.rego"
    own.parent.mkdir()
    own.write_text("package sluice.policies.business_hours\n")
    check_limits(limits(tmp_path, "business_hours: {open: 6}"))


@pytest.mark.parametrize("name", ["pool_maximun", "business_hours"])
def test_limits_that_no_policy_is_named_like_are_refused_since_nothing_would_hold_them(
    tmp_path: Path, name: str
) -> None:
    with pytest.raises(ConfigurationInvalid, match=f"sluice.limits: no policy is called {name}"):
        check_limits(limits(tmp_path, f"{name}: {{default: 50}}"))


ENVIRONMENTS = ("production", "development")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (
            "pool_maximum: {default: 50, environments: {prodcution: 30}}",
            "pool_maximum.environments.prodcution",
        ),
        ("cluster_maximum: {default: 50, environments: {prodcution: 30}}", "cluster_maximum.environments"),
        ("region: {environments: {prodcution: [europe-west4]}}", "region.environments.prodcution"),
        ("machine_family: {environments: {prodcution: [e2]}}", "machine_family.environments.prodcution"),
        (
            "required_labels: {environments: {prodcution: [service]}}",
            "required_labels.environments.prodcution",
        ),
        (
            "disk_encryption: {environments: [prodcution], key_prefixes: [k]}",
            "disk_encryption.environments[0]",
        ),
        ("owning_team: {owner_needed_in: [production, prodcution]}", "owning_team.owner_needed_in[1]"),
        ("shrink_below_load: {needed_in: [prodcution]}", "shrink_below_load.needed_in[0]"),
        ("disruption_budget: {needed_in: [prodcution]}", "disruption_budget.needed_in[0]"),
        ("training_on_spot: {except_in: [prodcution]}", "training_on_spot.except_in[0]"),
        (
            "business_impact: {above: 0.05, groups: [board], quorum: 1, needed_in: [prodcution]}",
            "business_impact.needed_in[0]",
        ),
    ],
)
def test_limits_of_an_environment_that_nobody_declared_are_refused_with_the_one_that_was_meant(
    tmp_path: Path, text: str, place: str
) -> None:
    check_limits(limits(tmp_path, text))
    check_limits(limits(tmp_path, text), {*ENVIRONMENTS, "prodcution"})
    with pytest.raises(ConfigurationInvalid) as refused:
        check_limits(tmp_path, ENVIRONMENTS)
    told = str(refused.value)
    assert f"data.yaml:3: sluice.limits.{place}" in told
    assert told.endswith(": 'prodcution' is not one of the environments: was 'production' meant?")


def test_an_undeclared_environment_that_is_like_no_other_is_refused_without_a_guess(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationInvalid, match=r"'qa' is not one of the environments$"):
        check_limits(limits(tmp_path, "training_on_spot: {except_in: [qa]}"), ENVIRONMENTS)


def test_the_shipped_limits_speak_of_the_environments_of_the_practice_fleet() -> None:
    check_limits(POLICIES, load(PRACTICE_CONFIGURATION).environments)
