"""Rules that look at the way a target goes: rests before a turn, oscillation, capacity that is on its way."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from contracts.configuration import Limits, Oscillation
from contracts.evaluation import Outcome
from contracts.observation import NodePoolObservation
from contracts.principal import service
from contracts.proposal import Planner, PlannerKind
from contracts.request import Channel
from guardrails.facts import Arriving, Facts, PastChange
from guardrails.rate.decision import decide
from tests.contracts.samples import AGENT, ANA, NOON, observation, resize
from tests.guardrails.samples import draft, facts

UP, DOWN = 4, 1
"""Nodes per zone; the sample's pool has two."""
REVERSAL = Limits(reversal_cooldown=timedelta(minutes=30))


def change(direction: int, minutes_ago: int) -> PastChange:
    return PastChange(direction=direction, at=NOON - timedelta(minutes=minutes_ago))


def past(*directions: int) -> tuple[PastChange, ...]:
    """Changes, oldest first, five minutes apart; the last one ended five minutes ago."""
    count = len(directions)
    return tuple(change(one, 5 * (count - place)) for place, one in reversed(list(enumerate(directions))))


def to(nodes: int, **changes: Any) -> Facts:
    return facts(draft=draft(action=resize(nodes)), **changes)


@pytest.mark.parametrize(
    ("last", "nodes", "minutes_ago", "held"),
    [
        (1, DOWN, 29, True),
        (1, DOWN, 30, False),
        (1, UP, 1, False),
        (-1, UP, 1, True),
        (-1, DOWN, 1, False),
        (0, UP, 1, False),
    ],
)
def test_a_turn_rests_longer_than_going_on(last: int, nodes: int, minutes_ago: int, held: bool) -> None:
    asked = to(nodes, limits=REVERSAL, past_changes=(change(last, minutes_ago),), admitting=True)
    assert (decide(asked).reason_code == "reversal_cooldown") is held
    assert (decide(asked).outcome is Outcome.HOLD) is held


def test_the_newest_change_that_has_a_direction_counts() -> None:
    changes = (change(0, 1), change(1, 5), change(-1, 9))
    assert decide(to(UP, limits=REVERSAL, past_changes=changes, admitting=True)).outcome is Outcome.ALLOW
    assert decide(to(DOWN, limits=REVERSAL, past_changes=changes, admitting=True)).outcome is Outcome.HOLD


def test_a_change_whose_direction_nobody_knows_counts_as_a_turn() -> None:
    for last in (1, -1):
        asked = facts(limits=REVERSAL, past_changes=(change(last, 1),), admitting=True, observation=None)
        assert decide(asked).reason_code == "reversal_cooldown"


def test_what_a_person_takes_back_need_not_rest() -> None:
    undo = draft(action=resize(DOWN), undoes="prp_0", planner=Planner(kind=PlannerKind.UNDO))
    kept = {"limits": REVERSAL, "past_changes": past(1), "admitting": True}
    assert decide(facts(draft=undo, **kept)).outcome is Outcome.ALLOW
    by_machine = undo.model_copy(update={"authors": (service("canary"),)})
    assert decide(facts(draft=by_machine, **kept)).outcome is Outcome.HOLD


@pytest.mark.parametrize(
    ("history", "nodes", "asks"),
    [
        ((1, -1), UP, True),
        ((-1, 1), DOWN, True),
        ((1, -1), DOWN, False),
        ((1,), DOWN, False),
        ((1, 1, 1), DOWN, False),
        ((1, 0, -1), UP, True),
        ((), UP, False),
    ],
)
def test_up_down_up_needs_a_person(history: tuple[int, ...], nodes: int, asks: bool) -> None:
    verdict = decide(to(nodes, past_changes=past(*history)))
    assert (verdict.outcome is Outcome.REQUIRE_APPROVAL) is asks
    if asks:
        assert verdict.reason_code == "oscillation"
        assert verdict.requirement is not None
        told: Any = verdict.facts["history"]
        assert [one["direction"] for one in told][:1] == ["up" if history[0] > 0 else "down"]


def test_a_direction_that_nobody_knows_is_a_turn_of_an_oscillation() -> None:
    for history in ((1, -1), (-1, 1)):
        assert decide(facts(past_changes=past(*history), observation=None)).reason_code == "oscillation"


def test_how_many_turns_are_too_many_is_configured() -> None:
    patient = Limits(oscillation=Oscillation(turns=3))
    assert decide(to(UP, limits=patient, past_changes=past(1, -1))).outcome is Outcome.ALLOW
    assert decide(to(UP, limits=patient, past_changes=past(-1, 1, -1))).reason_code == "oscillation"


def test_what_is_longer_ago_than_the_window_is_forgotten() -> None:
    window = Limits(oscillation=Oscillation(window=timedelta(minutes=10)))
    assert decide(to(UP, limits=window, past_changes=(change(-1, 1), change(1, 10)))).outcome is Outcome.ALLOW
    assert (
        decide(to(UP, limits=window, past_changes=(change(-1, 1), change(1, 9)))).outcome is not Outcome.ALLOW
    )


def test_oscillation_asks_again_right_before_the_effect() -> None:
    assert decide(to(UP, past_changes=past(1, -1), admitting=True)).reason_code == "oscillation"


BY_EVENT = {"channel": Channel.EVENT, "authors": (service("alertmanager"), AGENT), "confidence": 0.8}
BY_MODEL = {"authors": (ANA, AGENT), "confidence": 0.9, "planner": Planner(kind=PlannerKind.OPENAI)}
BY_SCHEDULE = {"channel": Channel.SCHEDULE}
"""In somebody's name, and nobody asks for it now."""
ARRIVING = {"arriving": (Arriving(proposal_id="prp_0", nodes=6),)}


def starting() -> NodePoolObservation:
    """Asked for two in each zone, one of them does not run yet."""
    seen = observation()
    zones = (seen.zones[0].model_copy(update={"running": 1}), *seen.zones[1:])
    return seen.model_copy(update={"zones": zones})


@pytest.mark.parametrize("by", [BY_EVENT, BY_SCHEDULE, BY_MODEL], ids=["event", "schedule", "model"])
@pytest.mark.parametrize("way", [ARRIVING, {"observation": starting()}], ids=["accepted", "starting"])
def test_more_is_refused_while_capacity_is_on_its_way(by: dict[str, Any], way: dict[str, Any]) -> None:
    asked = facts(**({"draft": draft(action=resize(UP), **by)} | way))
    verdict = decide(asked)
    assert (verdict.outcome, verdict.reason_code) == (Outcome.DENY, "capacity_on_its_way")
    assert verdict.remedy
    fewer = facts(**({"draft": draft(action=resize(DOWN), **by)} | way))
    assert decide(fewer).outcome is Outcome.ALLOW
    at_last = facts(**({"draft": draft(action=resize(UP), **by), "admitting": True} | way))
    assert decide(at_last).outcome is Outcome.ALLOW


def test_a_person_who_names_the_change_is_told_and_not_refused() -> None:
    verdict = decide(facts(draft=draft(action=resize(UP)), **ARRIVING))
    assert verdict.outcome is Outcome.ALLOW
    assert "6 nodes are on their way" in verdict.message


def test_a_change_that_nobody_can_measure_counts_as_growth_while_capacity_is_on_its_way() -> None:
    unseen = facts(draft=draft(action=resize(UP), channel=Channel.EVENT), observation=None, **ARRIVING)
    assert decide(unseen).reason_code == "capacity_on_its_way"


def test_the_same_growth_seen_in_two_places_counts_once() -> None:
    both = facts(
        draft=draft(action=resize(UP)), observation=starting(), arriving=(Arriving(proposal_id="p", nodes=1),)
    )
    assert decide(both).facts["nodes_on_their_way"] == 1
