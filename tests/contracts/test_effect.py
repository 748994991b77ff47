"""The way back: told once, for the guardrails, the effect, its verification and an undo."""

from __future__ import annotations

import pytest

from contracts.action import SetNodePoolAutoscaling
from contracts.effect import restoring
from contracts.observation import AutoscalingBounds
from tests.contracts.samples import observation, resize

BOUNDS = SetNodePoolAutoscaling(
    project="acme-prod",
    location="europe-west4",
    cluster="serving",
    node_pool="inference",
    min_node_count=1,
    max_node_count=5,
)
POOL_WIDE = AutoscalingBounds(max_node_count=3, total_min_node_count=1, total_max_node_count=9)


def test_even_sizes_and_per_zone_bounds_can_be_restored() -> None:
    assert restoring(resize(4), observation(2, 2, 2)) == resize(2)
    scaled = observation().model_copy(update={"autoscaling": AutoscalingBounds(max_node_count=3)})
    assert restoring(BOUNDS, scaled) == BOUNDS.model_copy(update={"min_node_count": 0, "max_node_count": 3})


def test_uneven_sizes_have_no_way_back() -> None:
    assert restoring(resize(4), observation(1, 2, 3)) is None


@pytest.mark.parametrize(
    "bounds", [None, POOL_WIDE, AutoscalingBounds()], ids=["none", "pool-wide", "of zero"]
)
def test_bounds_that_no_call_sets_have_no_way_back(bounds: AutoscalingBounds | None) -> None:
    assert restoring(BOUNDS, observation().model_copy(update={"autoscaling": bounds})) is None
