from __future__ import annotations

import pytest

from api.problems import Problem
from api.proposals.undoing import prior_action
from contracts.action import ResizeNodePool, SetNodePoolAutoscaling
from contracts.observation import AutoscalingBounds
from contracts.proposal import ProposalState as S
from tests.api.serving import Api
from tests.contracts.samples import observation, resize

BOUNDS = SetNodePoolAutoscaling(
    project="acme-prod",
    location="europe-west4",
    cluster="serving",
    node_pool="inference",
    min_node_count=1,
    max_node_count=9,
)


def test_the_prior_size_is_asked_for_again() -> None:
    prior = prior_action(resize(7), observation(2, 2, 2))
    assert isinstance(prior, ResizeNodePool)
    assert (prior.node_count, prior.target) == (2, resize().target)


def test_the_prior_bounds_are_asked_for_again() -> None:
    seen = observation().model_copy(
        update={"autoscaling": AutoscalingBounds(min_node_count=2, max_node_count=5)}
    )
    prior = prior_action(BOUNDS, seen)
    assert isinstance(prior, SetNodePoolAutoscaling)
    assert (prior.min_node_count, prior.max_node_count) == (2, 5)


@pytest.mark.parametrize(
    "bounds", [None, AutoscalingBounds(total_min_node_count=1, total_max_node_count=6), AutoscalingBounds()]
)
def test_bounds_that_no_call_restores_are_not_reversible(bounds: AutoscalingBounds | None) -> None:
    with pytest.raises(Problem) as refused:
        prior_action(BOUNDS, observation().model_copy(update={"autoscaling": bounds}))
    assert (refused.value.status, refused.value.code) == (409, "not_reversible")


def test_uneven_zones_are_not_reversible() -> None:
    with pytest.raises(Problem) as refused:
        prior_action(resize(), observation(2, 3, 2))
    assert refused.value.code == "not_reversible"


async def test_only_what_succeeded_and_changed_something_is_undone(api: Api) -> None:
    proposal_id = (await api.waiting())["id"]
    refused = await api.post(f"/v1/proposals/{proposal_id}/undo", by="ana")
    assert (refused.status_code, refused.json()["reason_code"]) == (409, "nothing_to_undo")
    await api.move(proposal_id, S.READY, S.EXECUTING, S.VERIFYING, S.SUCCEEDED)
    refused = await api.post(f"/v1/proposals/{proposal_id}/undo", by="ana")
    assert (refused.status_code, refused.json()["reason_code"]) == (409, "nothing_to_undo")
    assert await api.count("proposals") == 1
