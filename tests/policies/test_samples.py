"""The samples beside each policy: what is allowed and what is denied is part of the contract."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from activities.guardrail.policy_input import Surroundings, policy_input
from adapters.opa.checks import flaws_of, sampled
from adapters.opa.engine import OpaPolicyEngine
from adapters.opa.sources import POLICIES, policy_names
from tests.contracts.samples import NOON, observation
from tests.guardrails.samples import PRICE, TARGET, draft

NAMES = policy_names()
_LEVELS = {"advisory", "soft", "hard"}


def sample(policy: str, name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((POLICIES / policy / "samples" / f"{name}.json").read_text())
    return content


@pytest.fixture(scope="module")
def answers(opa_binary: Path) -> dict[str, dict[str, Any]]:
    return sampled(opa_binary, POLICIES)


def test_the_policies_have_no_flaw(opa_binary: Path) -> None:
    assert flaws_of(opa_binary, POLICIES) == []


@pytest.mark.parametrize("policy", NAMES)
def test_the_denied_sample_violates_this_policy_alone_and_says_what_would_help(
    answers: dict[str, dict[str, Any]], policy: str
) -> None:
    (violation,) = answers[f"{policy}/denied"]["violations"]
    assert violation["rule"] == policy
    assert violation["level"] in _LEVELS
    assert violation["message"].endswith(".")
    assert violation["remedy"].endswith(".")


@pytest.mark.parametrize("policy", NAMES)
def test_the_allowed_sample_violates_nothing(answers: dict[str, dict[str, Any]], policy: str) -> None:
    answer = answers[f"{policy}/allowed"]
    assert answer["violations"] == []
    assert tuple(answer["policies"]) == NAMES


@pytest.mark.parametrize("policy", NAMES)
def test_the_metadata_tell_title_level_data_and_remedy(policy: str) -> None:
    text = (POLICIES / policy / "policy.rego").read_text()
    for key in ("title", "description", "level", "reads", "remedy"):
        assert re.search(rf"^#\s+{key}: \S", text, re.MULTILINE), key
    told = re.search(r"^#   level: (\w+)", text, re.MULTILINE)
    assert told
    assert f'"level": "{told[1]}"' in text


@pytest.mark.parametrize("policy", NAMES)
def test_the_samples_have_the_shape_of_what_a_pass_sends(policy: str) -> None:
    sent = policy_input(
        draft(),
        target=TARGET,
        production=True,
        observation=observation(),
        now=NOON,
        around=Surroundings(price=PRICE),
    )
    for name in ("allowed", "denied"):
        document = sample(policy, name)
        assert document.keys() == sent.keys()
        for part in ("observation", "change", "proposal", "target", "fleet", "cost"):
            given, expected = document[part], sent[part]
            assert isinstance(expected, dict)
            assert given is None or (isinstance(given, dict) and given.keys() == expected.keys())


async def test_a_server_judges_a_sample_as_the_program_does(policy_engine: OpaPolicyEngine) -> None:
    denied = await policy_engine.evaluate(sample("business_impact", "denied"))
    (violation,) = denied.violations
    assert (violation.rule, violation.level, violation.groups, violation.quorum) == (
        "business_impact",
        "soft",
        ("board",),
        1,
    )
    assert denied.policies == NAMES
    assert denied.rules_evaluated == len(NAMES)
    allowed = await policy_engine.evaluate(sample("business_impact", "allowed"))
    assert allowed.violations == ()
