"""The digest covers exactly what is decided on, and the state table has no dead end and no way back."""

from __future__ import annotations

from datetime import timedelta

import pytest

from contracts.observation import SizesPrecondition
from contracts.proposal import TRANSITIONS, Planner, PlannerKind, ProposalState
from tests.contracts.samples import AGENT, ANA, NOON, observation, proposal, resize


@pytest.mark.parametrize(
    "change",
    [
        {"tenant": "other"},
        {"id": "prp_2"},
        {"revision": 2},
        {"action": resize(5)},
        {"precondition": SizesPrecondition(machine_type="g2-standard-8", target_sizes={"europe-west4-a": 3})},
        {"decide_by": NOON + timedelta(hours=4, microseconds=1)},
        {"execute_by": NOON + timedelta(hours=6)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_change_of_what_is_decided_on_changes_the_digest(change: dict[str, object]) -> None:
    assert proposal(**change).digest != proposal().digest


@pytest.mark.parametrize(
    "change",
    [
        {"reason": "other words"},
        {"authors": (ANA, AGENT)},
        {"planner": Planner(kind=PlannerKind.RULES)},
        {"observation": observation().model_copy(update={"etag": "later"})},
    ],
    ids=lambda change: next(iter(change)),
)
def test_words_around_the_action_leave_the_digest_alone(change: dict[str, object]) -> None:
    assert proposal(**change).digest == proposal().digest


def test_the_digest_is_stable_across_serialisation() -> None:
    one = proposal()
    assert type(one).model_validate_json(one.model_dump_json()).digest == one.digest


def test_every_live_state_leads_to_a_final_one() -> None:
    for state in ProposalState:
        reached, frontier = {state}, [state]
        while frontier:
            for following in TRANSITIONS.get(frontier.pop(), frozenset()) - reached:
                reached.add(following)
                frontier.append(following)
        assert any(one.is_final for one in reached), state


def test_only_dirty_is_left_again_once_final() -> None:
    assert {state for state in ProposalState if state.is_final and state in TRANSITIONS} == {
        ProposalState.DIRTY
    }


def test_a_proposal_can_be_cancelled_only_before_execution() -> None:
    cancellable = {state for state, following in TRANSITIONS.items() if ProposalState.CANCELLED in following}
    assert cancellable == {state for state in ProposalState if state.precedes_execution}
