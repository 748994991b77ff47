"""GUARDRAILS, all of them: run every one, let none fail open, and combine what they say. Pure: facts in, answer out.

any deny → deny; else any hold → hold; else the union of what they require of people, unless it is met already;
else allow.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta

from contracts.break_glass import BYPASS_FACT
from contracts.eligibility import is_met
from contracts.evaluation import ApprovalRequirement, CostEstimate, Evaluation, Outcome, Verdict
from contracts.principal import Principal
from guardrails.answers import Answers
from guardrails.break_glass import treated
from guardrails.budget.cost import estimate
from guardrails.extension import Extension
from guardrails.facts import Facts
from guardrails.registry import Guardrail, in_force

REQUIRED = frozenset(
    {
        "scope",
        "halt",
        "change_window",
        "policy",
        "blast_radius",
        "rate",
        "circuit_breaker",
        "budget",
        "approval_rule",
    }
)
"""Written down a second time on purpose: a guardrail that drops out of the registry denies everything."""


def evaluate(facts: Facts, guardrails: Sequence[tuple[str, Guardrail]] | None = None) -> Evaluation:
    """Return all verdicts of one pass and what they come to. Without `guardrails`: by those of this process."""
    asked = in_force() if guardrails is None else guardrails
    verdicts = [_asked(name, guardrail, facts) for name, guardrail in asked]
    present = {name for name, _ in asked}
    verdicts += [
        Answers(name).deny("present", "guardrail_missing", f"The guardrail {name} is missing.")
        for name in sorted(REQUIRED.union(facts.required_guardrails) - present)
    ]
    requirement = union(verdict.requirement for verdict in verdicts)
    return Evaluation(
        proposal_id=facts.draft.id,
        revision=facts.draft.revision,
        pass_number=facts.pass_number,
        at=facts.now,
        outcome=combine(verdicts, facts.approvers),
        verdicts=tuple(verdicts),
        requirement=requirement,
        cost=_cost(facts),
        policy_revision=facts.policy.revision if facts.policy else "",
        configuration_revision=facts.configuration_revision,
    )


def combine(verdicts: Sequence[Verdict], approvers: Iterable[Principal] = ()) -> Outcome:
    """Return what the verdicts come to. Nothing said at all is a deny."""
    said = {verdict.outcome for verdict in verdicts}
    if not said or Outcome.DENY in said:
        return Outcome.DENY
    if Outcome.HOLD in said:
        return Outcome.HOLD
    requirement = union(verdict.requirement for verdict in verdicts)
    if requirement is not None and not is_met(requirement, approvers):
        return Outcome.REQUIRE_APPROVAL
    return Outcome.ALLOW


def union(requirements: Iterable[ApprovalRequirement | None]) -> ApprovalRequirement | None:
    """Return the requirement whose meeting meets all of them: highest quorum, all roles and groups, shortest times."""
    given = [requirement for requirement in requirements if requirement is not None]
    if not given:
        return None
    return ApprovalRequirement(
        quorum=max(one.quorum for one in given),
        roles=tuple(dict.fromkeys(role for one in given for role in one.roles)),
        rules=tuple(dict.fromkeys(rule for one in given for rule in one.rules)),
        groups=tuple(dict.fromkeys(group for one in given for group in one.groups)),
        excluded=tuple(dict.fromkeys(name for one in given for name in one.excluded)),
        decide_within=_shortest(one.decide_within for one in given),
        execute_within=_shortest(one.execute_within for one in given),
    )


def without_owners(verdict: Verdict, owners: tuple[str, ...]) -> Verdict:
    """Return a verdict whose people are others than the owners of the agents that had a hand in the change."""
    if verdict.requirement is None or not owners:
        return verdict
    requirement = verdict.requirement.model_copy(update={"excluded": owners})
    return verdict.model_copy(update={"requirement": requirement})


def _shortest(times: Iterable[timedelta | None]) -> timedelta | None:
    return min((one for one in times if one is not None), default=None)


def _asked(name: str, guardrail: Guardrail, facts: Facts) -> Verdict:
    verdict = _answer(name, guardrail, facts)
    return guardrail.stamped(verdict) if isinstance(guardrail, Extension) else verdict


def _answer(name: str, guardrail: Guardrail, facts: Facts) -> Verdict:
    try:
        verdict = guardrail(facts)
    except Exception as error:  # noqa: BLE001  whatever goes wrong in a guardrail is a deny
        return _failed(name, type(error).__name__)
    if not is_sound(verdict, name):
        return _failed(name, "unsound verdict")
    declared = guardrail.bypassable if isinstance(guardrail, Extension) else frozenset[str]()
    return without_owners(treated(verdict, facts, declared), facts.owners)


def _failed(name: str, cause: str) -> Verdict:
    message = f"The guardrail {name} failed; nothing is allowed."
    return Answers(name).deny("ran", "guardrail_error", message, {"cause": cause})


def _cost(facts: Facts) -> CostEstimate | None:
    try:
        return estimate(facts)
    except Exception:  # noqa: BLE001  the budget guardrail has failed on the same error, and denies
        return None


def is_sound(verdict: object, name: str) -> bool:
    """Tell whether a guardrail's own answer has what its outcome needs, and claims nothing that only a grant can do."""
    if not isinstance(verdict, Verdict) or verdict.guardrail != name or BYPASS_FACT in verdict.facts:
        return False
    wants_people = verdict.outcome is Outcome.REQUIRE_APPROVAL
    asks_people = verdict.requirement is not None and verdict.requirement.quorum > 0
    return wants_people == asks_people and (verdict.outcome is Outcome.HOLD) == (verdict.held_on is not None)
