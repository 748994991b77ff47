from __future__ import annotations

import pytest

from agents.planners.sizing import Wish, bounds_to, size_to
from contracts.action import MAX_NODES_PER_ZONE, SetNodePoolAutoscaling
from contracts.observation import AutoscalingBounds
from contracts.request import Answered, ProposedAction, Refused
from tests.contracts.samples import observation, resize

TARGET = resize().target


def autoscaled(running: int, low: int, high: int) -> object:
    bounds = AutoscalingBounds(min_node_count=low, max_node_count=high)
    seen = observation(running, running, running).model_copy(update={"autoscaling": bounds})
    return size_to(Wish(TARGET, 3, 0.9, "Asked"), seen)


@pytest.mark.parametrize(
    ("running", "low", "high", "wanted"),
    [(1, 0, 5, (3, 5)), (1, 0, 2, (3, 3)), (3, 0, 5, (3, 5)), (5, 0, 8, (0, 3)), (5, 4, 8, (3, 3))],
)
def test_bounds_move_only_as_far_as_the_wished_size_needs(
    running: int, low: int, high: int, wanted: tuple[int, int]
) -> None:
    sized = autoscaled(running, low, high)
    assert isinstance(sized, ProposedAction)
    assert isinstance(sized.action, SetNodePoolAutoscaling)
    assert (sized.action.min_node_count, sized.action.max_node_count) == wanted


def test_bounds_that_already_fit_need_no_proposal() -> None:
    assert isinstance(autoscaled(1, 3, 5), Answered)


def test_an_uneven_pool_is_brought_to_one_size() -> None:
    assert isinstance(size_to(Wish(TARGET, 2, 0.9, "Asked"), observation(3, 2, 1)), ProposedAction)


@pytest.mark.parametrize("count", [-1, MAX_NODES_PER_ZONE + 1])
def test_a_size_that_gke_does_not_have_is_refused(count: int) -> None:
    assert isinstance(size_to(Wish(TARGET, count, 0.9, "Asked"), observation()), Refused)


def test_an_upper_bound_of_zero_is_refused() -> None:
    assert isinstance(bounds_to(TARGET, 0, 0, observation()), Refused)
