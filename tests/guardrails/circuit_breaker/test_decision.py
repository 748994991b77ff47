from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from contracts.evaluation import Outcome
from contracts.safety import Breaker, BreakerState
from guardrails.circuit_breaker.decision import decide, is_due_for_probe
from tests.contracts.samples import NOON
from tests.guardrails.samples import KEY, facts

PAST, SOON, LATE = NOON - timedelta(seconds=1), NOON + timedelta(minutes=5), NOON + timedelta(hours=9)


def breaker(
    state: BreakerState,
    open_until: datetime | None = None,
    probe_owner: str | None = None,
    probe_expires_at: datetime | None = None,
    name: str = f"target:{KEY}",
) -> Breaker:
    return Breaker(
        id=name,
        state=state,
        consecutive_failures=3,
        open_until=open_until,
        probe_owner=probe_owner,
        probe_expires_at=probe_expires_at,
        last_reason_code="stockout",
    )


CLOSED, OPEN, HALF = BreakerState.CLOSED, BreakerState.OPEN, BreakerState.HALF_OPEN


@pytest.mark.parametrize(
    ("found", "first", "later", "probes"),
    [
        (breaker(CLOSED), Outcome.ALLOW, Outcome.ALLOW, False),
        (breaker(OPEN, SOON), Outcome.ALLOW, Outcome.HOLD, False),
        (breaker(OPEN, LATE), Outcome.DENY, Outcome.DENY, False),
        (breaker(OPEN), Outcome.ALLOW, Outcome.HOLD, False),
        (breaker(OPEN, PAST), Outcome.ALLOW, Outcome.ALLOW, True),
        (breaker(HALF, PAST, "prp_other", SOON), Outcome.ALLOW, Outcome.HOLD, False),
        (breaker(HALF, PAST, "prp_other", PAST), Outcome.ALLOW, Outcome.ALLOW, True),
        (breaker(HALF, PAST, "prp_1", SOON), Outcome.ALLOW, Outcome.ALLOW, True),
    ],
)
def test_each_state_has_its_answer(found: Breaker, first: Outcome, later: Outcome, probes: bool) -> None:
    assert decide(facts(breakers=(found,))).outcome is first
    admitting = facts(breakers=(found,), admitting=True)
    verdict = decide(admitting)
    assert verdict.outcome is later
    assert verdict.held_on == (f"breaker:{found.id}" if later is Outcome.HOLD else None)
    assert is_due_for_probe(found, admitting) is probes


def test_one_open_breaker_among_several_is_enough() -> None:
    both = (breaker(CLOSED), breaker(OPEN, SOON, name="kind:gke.node_pool.resize"))
    verdict = decide(facts(breakers=both, admitting=True))
    assert (verdict.reason_code, verdict.held_on) == ("breaker_open", "breaker:kind:gke.node_pool.resize")
    assert "stockout" in verdict.message


def test_without_breakers_nothing_is_held() -> None:
    assert decide(facts(admitting=True)).reason_code == "ok"
