"""GUARDRAILS under break-glass: a verdict that a grant bypasses becomes an allow which says so. Pure.

Reason codes are listed one by one: what a guardrail learns to say later is not bypassed until somebody adds it here,
and neither is a guardrail that failed or lacked a fact. A guardrail of one's own lists its reasons itself
(`guardrails/extension.py`), by default none.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import JsonValue

from contracts.break_glass import BYPASS_FACT, BreakGlass
from contracts.configuration import BypassableGate, Gate
from contracts.evaluation import Outcome, Verdict
from guardrails.facts import Facts

REASON_CODE = "break_glass"
BYPASSABLE: Mapping[BypassableGate, frozenset[str]] = {
    BypassableGate.CHANGE_WINDOW: frozenset({"outside_window", "frozen", "window_ended"}),
    BypassableGate.RATE: frozenset({"rate_limited", "cooldown", "reversal_cooldown", "oscillation"}),
    BypassableGate.CIRCUIT_BREAKER: frozenset({"breaker_open", "breaker_half_open", "breaker_recovering"}),
    BypassableGate.BUDGET: frozenset({"budget_soft_limit"}),
}
"""Reason codes that stop a change for a while. Of `approval_rule` only the quorum falls."""
_ONLY_ASKS = frozenset({BypassableGate.BUDGET})
"""Gates of which a deny or hold stands whatever its code: no grant takes anything above a hard cap."""


def treated(verdict: Verdict, facts: Facts, declared: frozenset[str] = frozenset()) -> Verdict:
    """Return the verdict as it counts: bypassed when an active grant covers the change and names the gate.

    `declared`: reason codes that a guardrail of one's own lets a grant bypass; of a shipped one they say nothing.
    """
    if verdict.outcome is Outcome.ALLOW or not facts.grants:
        return verdict
    gate = _gate_of(verdict)
    if gate is None:
        return verdict
    grant = next((one for one in facts.grants if _opens(one, gate, facts)), None)
    if grant is None:
        return verdict
    if gate is BypassableGate.APPROVAL_RULE:
        return _with_fewer_people(verdict, grant, facts)
    if gate in _ONLY_ASKS and verdict.outcome is not Outcome.REQUIRE_APPROVAL:
        return verdict
    codes = BYPASSABLE[gate] if isinstance(gate, BypassableGate) else declared
    return _bypassed(verdict, grant) if verdict.reason_code in codes else verdict


def _gate_of(verdict: Verdict) -> Gate | None:
    """Return the gate that a grant may name for a verdict; None: no grant opens it. A slash is in no shipped name."""
    if verdict.guardrail in set(BypassableGate):
        return BypassableGate(verdict.guardrail)
    return verdict.guardrail if "/" in verdict.guardrail else None


def _opens(grant: BreakGlass, gate: Gate, facts: Facts) -> bool:
    declared = facts.break_glass
    return (
        declared is not None
        and gate in declared.gates
        and gate in grant.gates
        and grant.counts_at(facts.now)
        and grant.scope.covers(
            tenant=facts.draft.tenant,
            environment=facts.draft.environment,
            target_key=facts.draft.action.target.key,
            action_kind=facts.draft.action.kind,
            authors=facts.draft.authors,
        )
    )


def _bypassed(verdict: Verdict, grant: BreakGlass) -> Verdict:
    return verdict.model_copy(
        update={
            "outcome": Outcome.ALLOW,
            "reason_code": REASON_CODE,
            "message": f"Bypassed by break-glass {grant.id}: {verdict.message}",
            "facts": verdict.facts | _told(verdict, grant),
            "requirement": None,
            "held_on": None,
            "remedy": None,
        }
    )


def _with_fewer_people(verdict: Verdict, grant: BreakGlass, facts: Facts) -> Verdict:
    asked, floor = verdict.requirement, facts.break_glass.approval_quorum if facts.break_glass else 0
    if verdict.outcome is not Outcome.REQUIRE_APPROVAL or asked is None or not 0 < floor < asked.quorum:
        return verdict
    return verdict.model_copy(
        update={
            "message": f"{verdict.message} Break-glass {grant.id} lowers that to {floor}.",
            "facts": verdict.facts | _told(verdict, grant),
            "requirement": asked.model_copy(update={"quorum": floor}),
        }
    )


def _told(verdict: Verdict, grant: BreakGlass) -> dict[str, JsonValue]:
    return {
        BYPASS_FACT: {
            "grant": grant.id,
            "outcome": verdict.outcome.value,
            "reason_code": verdict.reason_code,
            "message": verdict.message,
            "quorum": verdict.requirement.quorum if verdict.requirement else None,
        }
    }
