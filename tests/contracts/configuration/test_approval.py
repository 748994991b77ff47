"""Rules about approval as an operator writes them: half-written ones are refused, blank is never "all"."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from contracts.configuration import ApprovalLimits, Configuration
from contracts.configuration.agents import SHIPPED_AGENTS
from tests.contracts.samples import AGENT, ANA

SALT = "sixteen letters!"
TARGET = {
    "kind": "gke.node_pool",
    "project": "acme-prod",
    "location": "europe-west4",
    "cluster": "serving",
    "environment": "production",
    "team": "inference",
    "max_nodes_per_zone": 12,
}


def rule(when: Any, **more: Any) -> dict[str, Any]:
    return {"rules": [{"name": "large", "when": when, **more}]}


def configuration(**changes: Any) -> Configuration:
    return Configuration.model_validate({"environments": {"production": {}}, "targets": [TARGET], **changes})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (rule({}), "everything: true"),
        (rule(None), "when is blank"),
        (rule({"environments": None}), "environments is blank"),
        (rule({"environments": []}), "at least 1"),
        (rule({"labels": {}}), "at least 1"),
        (rule({"everything": False}), "True"),
        (rule({"everything": True, "teams": ["inference"]}), "stands alone"),
        (rule({"action_kinds": ["gke.node_pool.delete"]}), "no kind of action"),
        (rule({"planet": "earth"}), "Extra inputs"),
        (rule({"everything": True}, require={"quorum": 0}), "greater than or equal to 1"),
        (rule({"everything": True}, require={"roles": []}), "at least 1"),
        (rule({"everything": True}, require={"groups": ["Finance Team"]}), "match pattern"),
        (rule({"everything": True}, require=None), "require is blank"),
        (rule({"everything": True}, decide_within="0s"), "above zero"),
        (rule({"everything": True}, decide_within=None), "decide_within is blank"),
        (rule({"everything": True}, execute_within="31d"), "at most 30 days"),
        ({"rules": [*rule({"everything": True})["rules"] * 2]}, "named twice"),
        ({"automatic": [{"name": "a", "when": {"production": False}}]}, "Field required"),
        ({"automatic": [{"name": "a", "when": {"everything": True}, "sample": 0}]}, "never automatic"),
        ({"automatic": [{"name": "a", "when": {"production": False}, "sample": 1.1}]}, "less than or equal"),
        ({"automatic": [{"name": "a", "when": {"production": False}, "sample": 0.1}]}, "sample_salt"),
        (
            {
                "automatic": [{"name": "a", "when": {"production": False}, "sample": 0.1}],
                "sample_salt": SALT[1:],
            },
            "sample_salt",
        ),
    ],
)
def test_a_half_written_rule_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        ApprovalLimits.model_validate(given)


@pytest.mark.parametrize(
    ("when", "said"),
    [
        ({"environments": ["prodution"]}, "'prodution' is not declared"),
        ({"teams": ["infrence"]}, "'infrence'"),
        ({"agents": ["capacity-agnet"]}, "'capacity-agnet' is not declared"),
        ({"agents": ["capacity-agent", "slice/capacity-agent"]}, "'slice/capacity-agent' is not declared"),
        ({"channels": ["cli"]}, "name both or neither"),
        ({"channels": ["chat", "api"]}, "name both or neither"),
    ],
)
@pytest.mark.parametrize("section", ["rules", "automatic"])
def test_a_rule_about_a_misspelt_name_is_refused(section: str, when: dict[str, Any], said: str) -> None:
    more = {"sample": 0} if section == "automatic" else {}
    with pytest.raises(ValidationError, match=said):
        configuration(approval={section: [{"name": "large", "when": when, **more}]})


@pytest.mark.parametrize(
    "when",
    [
        {"agents": ["capacity-agent", "sluice/capacity-agent"]},
        {"agents": ["deployer", "sso/deployer", "local/scaler", "scaler"]},
        {"channels": ["api", "cli"]},
        {"channels": ["chat", "event"]},
    ],
)
def test_a_rule_names_agents_that_are_shipped_or_declared_and_channels_that_nobody_makes_up(
    when: dict[str, Any],
) -> None:
    declared = {"deployer": {"owner": "ml"}, "local/scaler": {"owner": "ml"}}
    made = configuration(approval={"rules": [{"name": "large", "when": when}]}, agents=declared)
    assert made.approval.rules[0].name == "large"


def test_the_agent_that_is_shipped_is_known_by_its_name() -> None:
    assert set(SHIPPED_AGENTS) == {"sluice/capacity-agent"}


def test_rules_come_back_from_what_they_are_written_as() -> None:
    written = rule(
        {"risk": ["high"], "monthly_delta_above": 1000, "labels": {"tier": "gold"}}, decide_within="15m"
    )
    written |= {
        "automatic": [{"name": "a", "when": {"production": False}, "sample": 0.05}],
        "sample_salt": SALT,
    }
    limits = ApprovalLimits.model_validate(written)
    assert ApprovalLimits.model_validate(limits.model_dump(mode="json")) == limits
    assert SALT not in repr(limits)


def test_the_owners_of_the_agents_among_the_authors_are_named_with_or_without_their_issuer() -> None:
    by_subject = configuration(agents={"capacity-agent": {"owner": "local/ben"}, "other": {"owner": "ml"}})
    assert by_subject.owners_of((ANA, AGENT)) == ("local/ben",)
    by_both = configuration(
        agents={"local/capacity-agent": {"owner": "ml-platform"}, "ana": {"owner": "local/ana"}}
    )
    assert by_both.owners_of((ANA, AGENT)) == ("ml-platform",)
    assert by_both.owners_of((ANA,)) == ()


@pytest.mark.parametrize("owner", ["", " ", "Ben", "ben b", None])
def test_an_owner_is_a_person_of_an_issuer_or_a_group(owner: str | None) -> None:
    with pytest.raises(ValidationError):
        configuration(agents={"capacity-agent": {"owner": owner}})
