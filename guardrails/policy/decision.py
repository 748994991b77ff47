"""GUARDRAIL policy: what OPA answered. Hard violations deny, soft ones need an operator to override, advice is told."""

from __future__ import annotations

from pydantic import JsonValue

from contracts.evaluation import Verdict
from contracts.ports import PolicyResult, PolicyViolation
from contracts.principal import Role
from guardrails.answers import Answers
from guardrails.facts import Facts

_NAME = "policy"
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
        return answer.deny(hard[0].rule, f"policy_{hard[0].rule}", _told(hard), facts)
    if soft:
        return answer.require_approval(
            soft[0].rule,
            f"policy_{soft[0].rule}",
            f"{_told(soft)} An operator may override this.",
            roles=(Role.APPROVER, Role.OPERATOR),
            rules=dict.fromkeys(violation.rule for violation in soft),
            facts=facts,
        )
    if advice:
        return answer.allow(advice[0].rule, f"Advice: {_told(advice)}", facts)
    return answer.allow("policies", f"All {result.rules_evaluated} policies agree.", facts)


def _told(violations: list[PolicyViolation]) -> str:
    return " ".join(violation.message for violation in violations)
