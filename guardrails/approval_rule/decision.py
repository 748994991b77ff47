"""GUARDRAIL approval rule: what the environment asks for, and what makes a person necessary although it asks nobody."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pydantic import JsonValue

from contracts.evaluation import Verdict
from contracts.principal import Role
from contracts.proposal import PlannerKind
from contracts.request import Trust
from guardrails.answers import Answers
from guardrails.budget.cost import estimate
from guardrails.facts import Facts

_ANSWER = Answers("approval_rule")


@dataclass(frozen=True, slots=True)
class _Need:
    rule: str
    reason_code: str
    message: str
    quorum: int = 1
    roles: tuple[Role, ...] = (Role.APPROVER,)
    groups: tuple[str, ...] = ()


def decide(facts: Facts) -> Verdict:
    """Return the union of every rule that needs people: the highest quorum, all roles."""
    needs = [need for rule in _RULES if (need := rule(facts)) is not None]
    shown: dict[str, JsonValue] = {
        "environment": facts.draft.environment,
        "confidence": facts.draft.confidence,
        "trust": facts.draft.trust.value,
    }
    if not needs:
        return _ANSWER.allow("automatic", f"{facts.draft.environment} asks for nobody.", shown)
    return _ANSWER.require_approval(
        needs[0].rule,
        needs[0].reason_code,
        " ".join(need.message for need in needs),
        quorum=max(need.quorum for need in needs),
        roles=dict.fromkeys(role for need in needs for role in need.roles),
        groups=dict.fromkeys(group for need in needs for group in need.groups),
        rules=[need.rule for need in needs],
        facts=shown,
    )


def _environment(facts: Facts) -> _Need | None:
    if facts.environment is None:
        return _Need(
            "environment", "environment_not_declared", "The environment is not declared; a person must look."
        )
    asked, name = facts.environment.approval, facts.draft.environment
    if asked.quorum == 0:
        return None
    people = "one person" if asked.quorum == 1 else f"{asked.quorum} people"
    return _Need(
        "environment",
        "environment_requires_approval",
        f"Changes in {name} need {people} to approve.",
        asked.quorum,
        asked.roles,
        asked.groups,
    )


def _confidence(facts: Facts) -> _Need | None:
    least = facts.approval_limits.min_confidence
    if facts.agent is None or (facts.draft.confidence or 0.0) >= least:
        return None
    stated = "none" if facts.draft.confidence is None else f"{facts.draft.confidence:.2f}"
    return _Need(
        "min_confidence",
        "low_confidence",
        f"The agent's confidence is {stated}, below {least:.2f}.",
    )


def _monthly_delta(facts: Facts) -> _Need | None:
    most = facts.approval_limits.max_monthly_delta
    if most is None:
        return None
    cost = estimate(facts)
    if cost is None:
        return _Need("max_monthly_delta", "cost_unknown", "What it costs per month is not known.")
    if cost.monthly_delta <= most:
        return None
    return _Need(
        "max_monthly_delta",
        "cost_above_threshold",
        f"It adds {cost.monthly_delta} {cost.currency} per month, above {most}.",
    )


def _untrusted_text(facts: Facts) -> _Need | None:
    if facts.draft.trust is Trust.TRUSTED:
        return None
    if facts.draft.planner.kind is PlannerKind.OPENAI:
        return _Need(
            "untrusted_text", "model_read_untrusted_text", "A model read text that anybody may have written."
        )
    if not facts.approval_limits.untrusted_needs_person:
        return None
    return _Need(
        "untrusted_text", "untrusted_text", "It stems from text that anybody who can fire an alert may write."
    )


_RULES: tuple[Callable[[Facts], _Need | None], ...] = (
    _environment,
    _confidence,
    _monthly_delta,
    _untrusted_text,
)
