from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.capacity.finish import MAX_FINISH, finish_schema, read_finish
from contracts.action import ACTION_KINDS
from contracts.request import Answered, Asked, Proposed, Refused

ACTION = {
    "kind": "gke.node_pool.autoscaling",
    "project": "acme-prod",
    "location": "europe-west4",
    "cluster": "serving",
    "node_pool": "batch",
    "min_node_count": 1,
    "max_node_count": 6,
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=20,
)


def finish(**fields: object) -> str:
    return json.dumps({"outcome": "proposed", "text": "Grow it."} | fields)


def proposing(**changes: object) -> str:
    return finish(actions=[{"action": ACTION | changes, "rationale": "because", "confidence": 0.5}])


def test_a_valid_proposal_is_read_as_it_is() -> None:
    outcome = read_finish(proposing())
    assert isinstance(outcome, Proposed)
    assert outcome.actions[0].action.model_dump(mode="json") == ACTION


@pytest.mark.parametrize(("said", "kind"), [("answered", Answered), ("asked", Asked), ("refused", Refused)])
def test_the_other_outcomes_carry_their_text(said: str, kind: type) -> None:
    outcome = read_finish(finish(outcome=said))
    assert isinstance(outcome, kind)
    assert outcome.text == "Grow it."


def test_a_refusal_of_the_model_has_a_code_of_its_own() -> None:
    outcome = read_finish(finish(outcome="refused"))
    assert isinstance(outcome, Refused)
    assert outcome.reason_code == "refused_by_planner"


@pytest.mark.parametrize("said", ["answered", "asked", "refused", "failed", "executed"])
def test_actions_beside_another_outcome_are_never_taken(said: str) -> None:
    outcome = read_finish(json.dumps(json.loads(proposing()) | {"outcome": said}))
    assert isinstance(outcome, Refused)
    assert outcome.reason_code == "model_output_invalid"


@pytest.mark.parametrize("kind", ["gke.node_pool.delete", "", None, 4, ["gke.node_pool.resize"]])
def test_a_kind_outside_the_catalogue_is_refused_as_such(kind: object) -> None:
    outcome = read_finish(proposing(kind=kind))
    assert isinstance(outcome, Refused)
    assert outcome.reason_code == "action_not_in_catalogue"


@pytest.mark.parametrize(
    "changes",
    [
        {"min_node_count": 7},
        {"max_node_count": 0},
        {"max_node_count": 1e3},
        {"project": "A"},
        {"node_count": 4},
    ],
)
def test_a_wrong_field_is_refused_and_named_but_not_repeated(changes: dict[str, object]) -> None:
    outcome = read_finish(proposing(**changes, location="<script>"))
    assert isinstance(outcome, Refused)
    assert "actions.0.action" in outcome.text
    assert "<script>" not in outcome.text


def test_an_answer_that_is_too_long_is_not_read_however_valid_it_is() -> None:
    padded = proposing().ljust(MAX_FINISH)
    assert isinstance(read_finish(padded), Proposed)
    refused = read_finish(padded + " ")
    assert isinstance(refused, Refused)
    assert "too long" in refused.text


@pytest.mark.parametrize("confidence", [True, "1", "0.5", 1.01, -0.01])
def test_a_confidence_that_is_no_share_is_not_read_as_one(confidence: object) -> None:
    action = {"action": ACTION, "rationale": "because", "confidence": confidence}
    outcome = read_finish(finish(actions=[action]))
    assert isinstance(outcome, Refused)
    assert outcome.reason_code == "model_output_invalid"


@pytest.mark.parametrize("member", ['"max_node_count": 2', '"kind": "gke.node_pool.autoscaling"'])
def test_an_object_that_names_a_key_twice_is_refused(member: str) -> None:
    text = proposing().replace('{"kind"', "{" + member + ', "kind"')
    outcome = read_finish(text)
    assert isinstance(outcome, Refused)
    assert outcome.reason_code == "model_output_invalid"


def test_nesting_without_an_end_is_refused() -> None:
    assert isinstance(read_finish("[" * 8_000 + "]" * 8_000), Refused)


@given(JSON.map(json.dumps) | st.text(max_size=200))
def test_nothing_that_a_model_may_send_is_an_action_by_accident(arguments: str) -> None:
    assert isinstance(read_finish(arguments), Refused)


def test_the_model_is_offered_exactly_the_catalogue() -> None:
    assert [kind for kind in ACTION_KINDS if kind not in json.dumps(finish_schema())] == []
