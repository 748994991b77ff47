"""The samples beside each policy, sent to a real OPA: what is allowed and what is denied is part of the contract."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from activities.guardrail.policy_input import policy_input
from adapters.opa.engine import SHIPPED_RULES, OpaPolicyEngine
from local.opa import POLICIES
from tests.contracts.samples import NOON, observation
from tests.guardrails.samples import TARGET, draft

NAMES = sorted(folder.name for folder in POLICIES.iterdir() if (folder / "policy.rego").exists())


def sample(policy: str, name: str) -> dict[str, object]:
    content: dict[str, object] = json.loads((POLICIES / policy / "samples" / f"{name}.json").read_text())
    return content


def test_the_engine_expects_as_many_rules_as_there_are() -> None:
    assert len(NAMES) == SHIPPED_RULES


@pytest.mark.parametrize("policy", NAMES)
def test_every_policy_has_its_tests_and_samples(policy: str) -> None:
    for name in ("policy_test.rego", "samples/allowed.json", "samples/denied.json"):
        assert (POLICIES / policy / name).is_file()


@pytest.mark.parametrize("policy", NAMES)
async def test_the_denied_sample_violates_this_policy_and_no_other(
    policy_engine: OpaPolicyEngine, policy: str
) -> None:
    result = await policy_engine.evaluate(sample(policy, "denied"))  # type: ignore[arg-type]
    assert [(violation.rule, violation.level) for violation in result.violations] == [(policy, "hard")]


@pytest.mark.parametrize("policy", NAMES)
async def test_the_allowed_sample_violates_nothing(policy_engine: OpaPolicyEngine, policy: str) -> None:
    result = await policy_engine.evaluate(sample(policy, "allowed"))  # type: ignore[arg-type]
    assert result.violations == ()
    assert result.rules_evaluated == SHIPPED_RULES


@pytest.mark.parametrize("policy", NAMES)
def test_the_samples_have_the_shape_of_what_a_pass_sends(policy: str) -> None:
    sent = policy_input(draft(), target=TARGET, production=True, observation=observation(), now=NOON)
    for name in ("allowed", "denied"):
        document = sample(policy, name)
        assert document.keys() == sent.keys()
        for part in ("observation", "change", "proposal", "target"):
            given, expected = document[part], sent[part]
            assert isinstance(expected, dict)
            assert given is None or (isinstance(given, dict) and given.keys() == expected.keys())


@pytest.mark.parametrize(
    "arguments",
    [
        ("fmt", "--fail", "--list", "policies"),
        ("check", "--strict", "--bundle", "policies"),
        ("test", "--bundle", "policies", "--coverage", "--threshold", "100"),
    ],
    ids=["format", "strict", "tests"],
)
def test_the_policies_pass_what_opa_checks(opa_binary: Path, arguments: tuple[str, ...]) -> None:
    done = subprocess.run(
        [str(opa_binary), *arguments], cwd=POLICIES.parent, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
