from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from contracts.configuration import ApprovalLimits, Environment, EnvironmentApproval
from contracts.evaluation import Outcome
from contracts.principal import Role
from contracts.proposal import Planner, PlannerKind
from contracts.request import Trust
from guardrails.approval_rule.decision import decide
from tests.contracts.samples import AGENT, ANA
from tests.guardrails.samples import draft, facts

UNSURE = draft(authors=(ANA, AGENT), confidence=0.49)
UNTRUSTED = draft(trust=Trust.UNTRUSTED)


MODEL = Planner(kind=PlannerKind.OPENAI, model="some-model")


def environment(quorum: int, *roles: Role, groups: tuple[str, ...] = ()) -> Environment:
    asked = EnvironmentApproval(quorum=quorum, roles=roles or (Role.APPROVER,), groups=groups)
    return Environment(approval=asked)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"draft": draft(authors=(ANA, AGENT), confidence=0.5)},
        {"draft": draft(confidence=None)},
        {"draft": UNTRUSTED},
        {"approval_limits": ApprovalLimits(max_monthly_delta=Decimal(3942))},
    ],
)
def test_where_no_rule_asks_it_is_automatic(changes: dict[str, Any]) -> None:
    verdict = decide(facts(**changes))
    assert (verdict.outcome, verdict.requirement) == (Outcome.ALLOW, None)


@pytest.mark.parametrize(
    ("changes", "reason_code"),
    [
        ({"environment": environment(1)}, "environment_requires_approval"),
        ({"environment": None}, "environment_not_declared"),
        ({"draft": UNSURE}, "low_confidence"),
        ({"draft": draft(authors=(ANA, AGENT), confidence=None)}, "low_confidence"),
        ({"approval_limits": ApprovalLimits(max_monthly_delta=Decimal("3941.99"))}, "cost_above_threshold"),
        ({"approval_limits": ApprovalLimits(max_monthly_delta=Decimal(0)), "price": None}, "cost_unknown"),
        (
            {"draft": UNTRUSTED, "approval_limits": ApprovalLimits(untrusted_needs_person=True)},
            "untrusted_text",
        ),
        ({"draft": draft(trust=Trust.UNTRUSTED, planner=MODEL)}, "model_read_untrusted_text"),
    ],
)
def test_each_rule_asks_for_a_person(changes: dict[str, Any], reason_code: str) -> None:
    verdict = decide(facts(**changes))
    assert (verdict.outcome, verdict.reason_code) == (Outcome.REQUIRE_APPROVAL, reason_code)
    assert verdict.requirement is not None
    assert verdict.requirement.quorum >= 1


def test_several_rules_come_to_the_highest_quorum_and_all_roles() -> None:
    verdict = decide(
        facts(
            environment=environment(2, Role.OPERATOR, groups=("finance",)),
            draft=draft(authors=(ANA, AGENT), confidence=0.1, trust=Trust.UNTRUSTED),
            approval_limits=ApprovalLimits(untrusted_needs_person=True, max_monthly_delta=Decimal(1)),
        )
    )
    assert verdict.requirement is not None
    assert verdict.requirement.quorum == 2
    assert set(verdict.requirement.roles) == {Role.OPERATOR, Role.APPROVER}
    assert verdict.requirement.groups == ("finance",)
    assert verdict.requirement.rules == (
        "approval_rule.environment",
        "approval_rule.min_confidence",
        "approval_rule.max_monthly_delta",
        "approval_rule.untrusted_text",
    )
    assert "2 people" in verdict.message
    assert "0.10" in verdict.message
