"""GUARDRAIL policy: what OPA answered. Hard violations deny, soft ones need people to override, advice is told.

A soft violation may say who: how many, holding which roles, of which groups. One that names no roles asks for an
approver and an operator.
"""

from __future__ import annotations

from pydantic import JsonValue

from contracts.evaluation import Verdict
from contracts.ports import PolicyResult, PolicyViolation
from contracts.principal import Role
from guardrails.answers import Answers
from guardrails.facts import Facts

_NAME = "policy"
_OVERRIDE = (Role.APPROVER, Role.OPERATOR)
_LEVELS = frozenset({"advisory", "soft", "hard"})


def decide(facts: Facts) -> Verdict:
    """Turn the violations into one verdict. No answer, or one with an unknown level, denies."""
    result = facts.policy
    if result is None:
        code = facts.policy_error or "policy_unavailable"
        return Answers(_NAME).deny("policy_answered", code, "The policy engine gave no answer.")
    answer = Answers(_NAME, result.revision)
    if any(violation.level not in _LEVELS for violation in result.violations):
        return answer.deny(
            "policy_answered", "policy_unavailable", "A policy answered with a level that does not exist."
        )
    return _violated(answer, result)


def _violated(answer: Answers, result: PolicyResult) -> Verdict:
    hard, soft, advice = (
        sorted(
            (violation for violation in result.violations if violation.level == level),
            key=lambda violation: (violation.rule, violation.message),
        )
        for level in ("hard", "soft", "advisory")
    )
    facts: dict[str, JsonValue] = {
        "rules_evaluated": result.rules_evaluated,
        "violations": [violation.model_dump(mode="json") for violation in (*hard, *soft, *advice)],
    }
    if hard:
        return answer.deny(hard[0].rule, f"policy_{hard[0].rule}", _told(hard), facts, remedy=_remedy(hard))
    if soft:
        return answer.require_approval(
            soft[0].rule,
            f"policy_{soft[0].rule}",
            f"{_told(soft)} {_who(soft)}",
            quorum=max(violation.quorum or 1 for violation in soft),
            roles=_roles(soft),
            groups=_groups(soft),
            rules=dict.fromkeys(violation.rule for violation in soft),
            facts=facts,
            remedy=_remedy(soft),
        )
    if advice:
        return answer.allow(advice[0].rule, f"Advice: {_told(advice)}", facts)
    return answer.allow("policies", f"All {result.rules_evaluated} policies agree.", facts)


def _roles(soft: list[PolicyViolation]) -> tuple[Role, ...]:
    return tuple(dict.fromkeys(role for violation in soft for role in violation.roles or _OVERRIDE))


def _groups(soft: list[PolicyViolation]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(group for violation in soft for group in violation.groups))


def _who(soft: list[PolicyViolation]) -> str:
    """Say who may override. Roles and groups add up over violations: all of them must be among the approvers."""
    wanted = [f"the role {role.value}" for role in _roles(soft)]
    wanted += [f"the group {group}" for group in _groups(soft)]
    return f"It can be overridden with an approval by {' and '.join(wanted)}."


def _remedy(violations: list[PolicyViolation]) -> str | None:
    said = dict.fromkeys(violation.remedy for violation in violations if violation.remedy)
    return " ".join(said) or None


def _told(violations: list[PolicyViolation]) -> str:
    return " ".join(violation.message for violation in violations)
