"""GUARDRAIL circuit breaker: after failures nothing more of the kind, then one probe at a time.

The breaker of an agent stops nothing: while it is open, a person must agree to everything that the agent proposes.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import JsonValue

from contracts.circuit_breaker import BreakerScope, Rule, awaits_read, scope_of, stops
from contracts.evaluation import Verdict
from contracts.holds import FREE_AT, on_breaker
from contracts.safety import Breaker, BreakerState
from guardrails.answers import Answers
from guardrails.facts import Facts, Turn

_ANSWER = Answers("circuit_breaker", revision="2")
_SHOWN = {"id", "state", "rule", "consecutive_failures", "openings", "open_until"}


def decide(facts: Facts) -> Verdict:
    """Hold while one is open or another proposal probes; deny when an open one outlasts the proposal."""
    stopping = [breaker for breaker in facts.breakers if stops(breaker, facts.draft.id, facts.now)]
    agents = [breaker for breaker in stopping if scope_of(breaker.id) is BreakerScope.AGENT]
    others = [breaker for breaker in stopping if breaker not in agents]
    if others:
        stopped = _stopped(_longest(others, facts), facts)
        if stopped is not None:
            return stopped
    if agents:
        return _asks_people(agents[0])
    if others:
        worst = _longest(others, facts)
        return _ANSWER.allow("closed", f"It will have to wait: {_said(worst)}", _shown(worst))
    if facts.admitting and facts.turn is not None and facts.now < facts.turn.at:
        return _waits_its_turn(facts.turn)
    return _let_through(facts)


def is_due_for_probe(breaker: Breaker, facts: Facts) -> bool:
    """Tell whether this proposal, once admitted, is the breaker's probe."""
    return breaker.state is not BreakerState.CLOSED and not stops(breaker, facts.draft.id, facts.now)


def _stopped(worst: Breaker, facts: Facts) -> Verdict | None:
    """Deny what the breaker outlasts, hold what would act now; None where it may still open in time."""
    outlasts = worst.open_until is not None and worst.open_until > facts.draft.execute_by
    if worst.state is BreakerState.OPEN and outlasts:
        return _ANSWER.deny(
            "closed", "breaker_open", _said(worst), _shown(worst), remedy=_remedy(worst, facts)
        )
    if not facts.admitting:
        return None
    return _ANSWER.hold(
        "closed",
        f"breaker_{worst.state.value}",
        _said(worst),
        held_on=on_breaker(worst.id),
        facts=_shown(worst),
        remedy=_remedy(worst, facts),
    )


def _waits_its_turn(turn: Turn) -> Verdict:
    """What has just recovered is not met by everything at once that had to wait for it."""
    return _ANSWER.hold(
        "closed",
        "breaker_recovering",
        f"{turn.held_on.partition(':')[2]} has closed; what it held goes one after the other, this one from "
        f"{turn.at:%Y-%m-%d %H:%M:%S} UTC.",
        held_on=turn.held_on,
        facts={FREE_AT: turn.at.isoformat()},
        remedy="Nobody needs to do anything: its turn comes.",
    )


def _asks_people(breaker: Breaker) -> Verdict:
    agent = breaker.id.partition(":")[2]
    return _ANSWER.require_approval(
        "agent",
        "agent_breaker_open",
        f"A person must agree to everything that {agent} proposes: {_said(breaker)}",
        facts=_shown(breaker),
        remedy="A person approves it, or an operator closes the agent's breaker once the agent is trusted again.",
    )


def _let_through(facts: Facts) -> Verdict:
    probes: list[JsonValue] = [
        breaker.id for breaker in facts.breakers if breaker.state is not BreakerState.CLOSED
    ]
    if not probes:
        return _ANSWER.allow("closed", "No circuit breaker is open.")
    named = ", ".join(str(one) for one in probes)
    return _ANSWER.allow("closed", f"This is the probe of {named}.", {"probes": probes})


def _longest(stopping: Sequence[Breaker], facts: Facts) -> Breaker:
    """Return the breaker that stops for longest: an open one before a half-open one, by hand before all."""
    return max(
        stopping,
        key=lambda one: (
            one.state is BreakerState.OPEN,
            one.open_until is None,
            one.open_until or facts.now,
        ),
    )


def _said(breaker: Breaker) -> str:
    stands = f"{breaker.id} is {breaker.state.value.replace('_', '-')}"
    if breaker.rule == Rule.OPERATOR:
        return f"{stands}: a person opened it."
    last = breaker.last_reason_code or "unknown"
    if breaker.rule in (None, Rule.FAILURES, Rule.PROBE, Rule.READ):
        return f"{stands} after {breaker.consecutive_failures} failures in a row, the last one {last}."
    return f"{stands} by its {breaker.rule.replace('_', ' ')}, the last failure {last}."


def _remedy(breaker: Breaker, facts: Facts) -> str:
    by_hand = "An operator can close it with a reason once the cause is cured"
    if breaker.state is BreakerState.HALF_OPEN:
        return f"{by_hand}; it closes by itself when {breaker.probe_owner} succeeds."
    if breaker.open_until is None:
        return f"{by_hand}; it stays open until then."
    if awaits_read(breaker, facts.now) and breaker.open_until <= facts.now:
        return f"{by_hand}; else one change probes it as soon as its target can be read."
    return f"{by_hand}; else one change probes it after {breaker.open_until:%Y-%m-%d %H:%M:%S} UTC."


def _shown(breaker: Breaker) -> dict[str, JsonValue]:
    shown: dict[str, JsonValue] = breaker.model_dump(mode="json", include=_SHOWN)
    return shown
