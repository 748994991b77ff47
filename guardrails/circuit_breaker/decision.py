"""GUARDRAIL circuit breaker: after failures in a row nothing more of the kind, then one probe at a time."""

from __future__ import annotations

from contracts.evaluation import Verdict
from contracts.safety import Breaker, BreakerState
from guardrails.answers import Answers
from guardrails.facts import Facts

_ANSWER = Answers("circuit_breaker")


def decide(facts: Facts) -> Verdict:
    """Hold while open or while another probes; deny when an open breaker outlasts the proposal."""
    stopping = [breaker for breaker in facts.breakers if _stops(breaker, facts)]
    if not stopping:
        probes = [breaker.id for breaker in facts.breakers if breaker.state is not BreakerState.CLOSED]
        if probes:
            return _ANSWER.allow(
                "closed", f"This is the probe of {', '.join(probes)}.", {"probes": [*probes]}
            )
        return _ANSWER.allow("closed", "No circuit breaker is open.")
    worst = max(
        stopping, key=lambda breaker: (breaker.state is BreakerState.OPEN, breaker.open_until or facts.now)
    )
    shown = worst.model_dump(mode="json", include={"id", "state", "consecutive_failures", "open_until"})
    message = (
        f"{worst.id} is {worst.state.value.replace('_', '-')} after {worst.consecutive_failures} failures "
        f"in a row, the last one {worst.last_reason_code or 'unknown'}."
    )
    outlasts = worst.open_until is not None and worst.open_until > facts.draft.execute_by
    if worst.state is BreakerState.OPEN and outlasts:
        return _ANSWER.deny("closed", "breaker_open", message, shown)
    if facts.admitting:
        return _ANSWER.hold(
            "closed", f"breaker_{worst.state.value}", message, held_on=f"breaker:{worst.id}", facts=shown
        )
    return _ANSWER.allow("closed", f"It will have to wait: {message}", shown)


def is_due_for_probe(breaker: Breaker, facts: Facts) -> bool:
    """Tell whether this proposal, once admitted, is the breaker's probe."""
    return breaker.state is not BreakerState.CLOSED and not _stops(breaker, facts)


def _stops(breaker: Breaker, facts: Facts) -> bool:
    if breaker.state is BreakerState.CLOSED:
        return False
    if breaker.state is BreakerState.OPEN:
        return breaker.open_until is None or breaker.open_until > facts.now
    if breaker.probe_owner in (None, facts.draft.id):
        return False
    return breaker.probe_expires_at is None or breaker.probe_expires_at > facts.now
