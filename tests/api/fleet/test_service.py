from __future__ import annotations

import pytest

from api.fleet.service import near_bound
from contracts.observation import AutoscalingBounds, NodePoolObservation
from tests.contracts.samples import observation


def autoscaled(*sizes: int, **bounds: int) -> NodePoolObservation:
    return observation(*sizes).model_copy(update={"autoscaling": AutoscalingBounds(**bounds)})


@pytest.mark.parametrize(
    ("seen", "limit", "told"),
    [
        (observation(2, 2, 2), 12, None),
        (observation(2, 10, 2), 12, "near_maximum"),
        (observation(12, 12, 12), 12, "at_maximum"),
        (observation(2, 2, 2), None, None),
        (observation(0, 0, 0), 0, None),
        (autoscaled(1, 4, 1, max_node_count=5), 100, "near_maximum"),
        (autoscaled(5, 5, 5, max_node_count=5), 100, "at_maximum"),
        (autoscaled(3, 3, 3, total_max_node_count=9), 100, "at_maximum"),
        (autoscaled(1, 1, 1, total_max_node_count=9), 100, None),
    ],
)
def test_a_pool_near_what_bounds_it_is_told(
    seen: NodePoolObservation, limit: int | None, told: str | None
) -> None:
    assert near_bound(seen, limit) == told
