"""GUARDRAIL approval rule: what the environment and the operator's rules ask of people.

The environment asks unless a rule of `approval.automatic` delegates it; everything else asks in any case, and what is
asked is united: highest quorum, all roles and groups, shortest times.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from pydantic import JsonValue

from contracts.evaluation import Verdict
from contracts.principal import Role
from contracts.proposal import PlannerKind
from contracts.request import Trust
from guardrails.answers import Answers
from guardrails.approval_rule.conditions import Judged, asks, judged
from guardrails.approval_rule.delegation import Delegation, delegation_of
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
    decide_within: timedelta | None = None
    execute_within: timedelta | None = None


def decide(facts: Facts) -> Verdict:
    """Return the union of every rule that needs people: highest quorum, all roles and groups, shortest times."""
    known = judged(facts)
    delegation = delegation_of(known)
    needs = [need for rule in _RULES if (need := rule(facts)) is not None]
    needs = [*_environment(facts, delegation), *needs, *_declared(known)]
    shown: dict[str, JsonValue] = {
        "environment": facts.draft.environment,
        "confidence": facts.draft.confidence,
        "trust": facts.draft.trust.value,
        "risk": known.risk.value,
    }
    if delegation is not None:
        shown |= {"delegated_by": delegation.rule, "sampled": delegation.sampled}
    if not needs and delegation is not None:
        message = f"The rule {delegation.rule} lets it pass without a person."
        return _ANSWER.allow(f"automatic.{delegation.rule}", message, shown)
    if not needs:
        return _ANSWER.allow("automatic", f"{facts.draft.environment} asks for nobody.", shown)
    return _ANSWER.require_approval(
        needs[0].rule,
        needs[0].reason_code,
        " ".join(need.message for need in needs),
        quorum=max(need.quorum for need in needs),
        roles=dict.fromkeys(role for need in needs for role in need.roles),
        groups=dict.fromkeys(group for need in needs for group in need.groups),
        decide_within=min((need.decide_within for need in needs if need.decide_within), default=None),
        execute_within=min((need.execute_within for need in needs if need.execute_within), default=None),
        rules=[need.rule for need in needs],
        facts=shown,
    )


def _environment(facts: Facts, delegation: Delegation | None) -> Iterator[_Need]:
    if facts.environment is None:
        yield _Need(
            "environment", "environment_not_declared", "The environment is not declared; a person must look."
        )
        return
    asked, name = facts.environment.approval, facts.draft.environment
    if delegation is not None:
        if delegation.sampled:
            told = f"The rule {delegation.rule} lets such changes pass; this one is in the sample that is looked at."
            rule = f"automatic.{delegation.rule}"
            yield _Need(rule, "sampled", told, max(asked.quorum, 1), asked.roles, asked.groups)
        return
    if asked.quorum > 0:
        told = f"Changes in {name} need {_people(asked.quorum)} to approve."
        rule = "environment"
        yield _Need(rule, "environment_requires_approval", told, asked.quorum, asked.roles, asked.groups)


def _declared(known: Judged) -> Iterator[_Need]:
    for rule in known.facts.approval_limits.rules:
        if asks(rule.when, known):
            asked = rule.require
            yield _Need(
                rule.name,
                "approval_rule_matched",
                f"The rule {rule.name} asks {_people(asked.quorum)} to approve.",
                asked.quorum,
                asked.roles,
                asked.groups,
                rule.decide_within,
                rule.execute_within,
            )


def _people(quorum: int) -> str:
    return "one person" if quorum == 1 else f"{quorum} people"


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
    _confidence,
    _monthly_delta,
    _untrusted_text,
)
