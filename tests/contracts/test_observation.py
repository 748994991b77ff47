"""Preconditions: what was approved holds only for the pool that was seen then."""

from __future__ import annotations

from typing import Any

import pytest

from contracts.observation import AutoscalingBounds, BoundsPrecondition, SizesPrecondition
from tests.contracts.samples import observation

SEEN = observation(2, 2, 2)
BOUNDS = AutoscalingBounds(min_node_count=1, max_node_count=5)
SCALED = SEEN.model_copy(update={"autoscaling": BOUNDS})


@pytest.mark.parametrize(
    "change",
    [
        {"machine_type": "n2-standard-4"},
        {"autoscaling": BOUNDS},
        {"zones": observation(2, 2, 3).zones},
        {"zones": SEEN.zones[:2]},
    ],
    ids=["another machine type", "an autoscaler", "another size", "a zone less"],
)
def test_a_size_holds_for_the_pool_that_was_seen_and_no_other(change: dict[str, Any]) -> None:
    approved = SizesPrecondition(machine_type=SEEN.machine_type, target_sizes=SEEN.target_sizes)
    assert approved.holds_for(SEEN)
    assert not approved.holds_for(SEEN.model_copy(update=change))


@pytest.mark.parametrize(
    "change",
    [
        {"machine_type": "n2-standard-4"},
        {"autoscaling": None},
        {"autoscaling": BOUNDS.model_copy(update={"max_node_count": 6})},
    ],
    ids=["another machine type", "no autoscaler", "other bounds"],
)
def test_bounds_hold_for_the_pool_that_was_seen_and_no_other(change: dict[str, Any]) -> None:
    approved = BoundsPrecondition(machine_type=SEEN.machine_type, bounds=BOUNDS)
    assert approved.holds_for(SCALED)
    assert not approved.holds_for(SCALED.model_copy(update=change))


def test_bounds_hold_whatever_size_the_autoscaler_chose_meanwhile() -> None:
    approved = BoundsPrecondition(machine_type=SEEN.machine_type, bounds=BOUNDS)
    assert approved.holds_for(SCALED.model_copy(update={"zones": observation(4, 1, 3).zones}))
