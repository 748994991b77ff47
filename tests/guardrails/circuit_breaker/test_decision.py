from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from contracts.configuration import BypassableGate
from contracts.evaluation import Outcome
from contracts.safety import Breaker, BreakerState
from guardrails.break_glass import BYPASSABLE
from guardrails.circuit_breaker.decision import decide, is_due_for_probe
from guardrails.facts import Turn
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


def test_what_a_closed_breaker_had_held_waits_for_its_turn_right_before_the_effect() -> None:
    turn = Turn(held_on="breaker:provider:gke", at=SOON)
    assert decide(facts(turn=turn)).outcome is Outcome.ALLOW
    verdict = decide(facts(turn=turn, breakers=(breaker(CLOSED),), admitting=True))
    assert (verdict.outcome, verdict.reason_code) == (Outcome.HOLD, "breaker_recovering")
    assert (verdict.held_on, verdict.facts["free_at"]) == ("breaker:provider:gke", SOON.isoformat())
    assert verdict.reason_code in BYPASSABLE[BypassableGate.CIRCUIT_BREAKER]
    assert decide(facts(turn=replace(turn, at=NOON), admitting=True)).outcome is Outcome.ALLOW


AGENT = "agent:local/capacity-agent"


def test_an_agents_open_breaker_asks_a_person_in_both_passes_and_holds_nothing() -> None:
    for open_until in (None, SOON, LATE):
        for admitting in (False, True):
            verdict = decide(facts(breakers=(breaker(OPEN, open_until, name=AGENT),), admitting=admitting))
            assert (verdict.outcome, verdict.reason_code) == (Outcome.REQUIRE_APPROVAL, "agent_breaker_open")
            assert verdict.requirement is not None
            assert verdict.requirement.quorum == 1
            assert verdict.held_on is None
            assert verdict.remedy


def test_when_an_agents_breaker_is_due_one_proposal_may_go_without_a_person() -> None:
    due = breaker(OPEN, PAST, name=AGENT)
    assert decide(facts(breakers=(due,))).outcome is Outcome.ALLOW
    assert is_due_for_probe(due, facts(breakers=(due,), admitting=True))
    taken = breaker(HALF, PAST, "prp_other", SOON, name=AGENT)
    assert decide(facts(breakers=(taken,))).outcome is Outcome.REQUIRE_APPROVAL


def test_a_hold_comes_before_what_an_agents_breaker_asks() -> None:
    both = (breaker(OPEN, SOON, name=AGENT), breaker(OPEN, SOON))
    assert decide(facts(breakers=both)).outcome is Outcome.REQUIRE_APPROVAL
    assert decide(facts(breakers=both, admitting=True)).outcome is Outcome.HOLD
    outlasting = (breaker(OPEN, SOON, name=AGENT), breaker(OPEN, LATE))
    assert decide(facts(breakers=outlasting)).outcome is Outcome.DENY


def test_until_its_target_was_read_a_cool_breaker_holds() -> None:
    cool = breaker(OPEN, PAST).model_copy(update={"read_first_until": SOON})
    verdict = decide(facts(breakers=(cool,), admitting=True))
    assert verdict.outcome is Outcome.HOLD
    assert verdict.remedy is not None
    assert "can be read" in verdict.remedy
    read = cool.model_copy(update={"read_first_until": None, "ready_at": PAST})
    assert decide(facts(breakers=(read,), admitting=True)).outcome is Outcome.ALLOW


@pytest.mark.parametrize(
    ("rule", "said"),
    [("operator", "a person opened it"), ("failure_rate", "by its failure rate"), ("read", "in a row")],
)
def test_it_says_what_opened_it(rule: str, said: str) -> None:
    found = breaker(OPEN, SOON).model_copy(update={"rule": rule})
    verdict = decide(facts(breakers=(found,), admitting=True))
    assert said in verdict.message
    assert verdict.facts["rule"] == rule
    assert verdict.remedy


def test_one_opened_until_a_person_closes_it_is_what_is_named() -> None:
    by_hand = breaker(OPEN, None, name="provider:gke").model_copy(update={"rule": "operator"})
    verdict = decide(facts(breakers=(breaker(OPEN, SOON), by_hand), admitting=True))
    assert verdict.held_on == "breaker:provider:gke"
