"""What was found against what was decided, as a pure function."""

from __future__ import annotations

from activities.verification.judgement import Judgement, expected_of, judge
from contracts.action import SetNodePoolAutoscaling
from contracts.effect import Step
from contracts.observation import AutoscalingBounds, NodePoolObservation, ProviderOperation
from tests.contracts.samples import ZONES, observation, resize

FORWARD, BACK = Step.FORWARD, Step.COMPENSATION
BOUNDS = SetNodePoolAutoscaling(
    **resize().model_dump(exclude={"kind", "node_count"}), min_node_count=2, max_node_count=5
)


def running(*counts: int, target: int = 4, stable: bool = True) -> NodePoolObservation:
    seen = observation(target, target, target)
    zones = tuple(
        zone.model_copy(update={"running": count, "stable": stable})
        for zone, count in zip(seen.zones, counts, strict=True)
    )
    return seen.model_copy(update={"zones": zones})


def scaled(seen: NodePoolObservation, low: int = 2, high: int = 5) -> NodePoolObservation:
    return seen.model_copy(update={"autoscaling": AutoscalingBounds(min_node_count=low, max_node_count=high)})


def code(judgement: Judgement) -> tuple[bool, bool, str]:
    return judgement.matches, judgement.settled, judgement.reason_code


def test_nodes_that_run_in_every_zone_match() -> None:
    assert code(judge(resize(4), FORWARD, running(4, 4, 4), None)) == (True, True, "verified")


def test_a_target_size_that_equals_the_request_proves_nothing() -> None:
    assert code(judge(resize(4), FORWARD, running(4, 4, 3), None)) == (False, False, "nodes_not_running")
    unstable = running(4, 4, 4, stable=False)
    assert code(judge(resize(4), FORWARD, unstable, None)) == (False, False, "nodes_not_running")


def test_while_an_operation_runs_nothing_is_settled() -> None:
    moving = ProviderOperation(name="op", type="UPGRADE_NODES", status="RUNNING")
    busy = running(4, 4, 4).model_copy(update={"operations": (moving,)})
    assert not judge(resize(4), FORWARD, busy, None).settled


def test_another_target_size_at_rest_is_wrong_at_once() -> None:
    assert code(judge(resize(4), FORWARD, observation(4, 4, 2), None)) == (False, True, "target_size_differs")


def test_a_pool_without_zones_is_wrong() -> None:
    assert not judge(resize(0), FORWARD, observation().model_copy(update={"zones": ()}), None).matches


def test_an_autoscaler_that_was_switched_on_is_wrong() -> None:
    assert judge(resize(4), FORWARD, scaled(running(4, 4, 4)), None).reason_code == "pool_is_autoscaled"


def test_ready_nodes_count_where_they_are_known() -> None:
    assert judge(resize(4), FORWARD, running(4, 4, 4), 12).matches
    assert code(judge(resize(4), FORWARD, running(4, 4, 4), 11)) == (False, False, "nodes_not_ready")


def test_bounds_match_when_their_floor_runs() -> None:
    assert judge(BOUNDS, FORWARD, scaled(running(2, 3, 2, target=3)), None).matches
    floorless = scaled(running(1, 2, 2, target=2, stable=False))
    assert code(judge(BOUNDS, FORWARD, floorless, None)) == (False, False, "floor_not_applied")
    assert judge(BOUNDS, FORWARD, scaled(running(4, 4, 4), low=1), None).reason_code == "bounds_differ"
    assert judge(BOUNDS, FORWARD, running(4, 4, 4), None).reason_code == "bounds_differ"


def test_bounds_of_the_whole_pool_are_not_those_of_each_zone() -> None:
    seen = running(4, 4, 4)
    bounds = AutoscalingBounds(min_node_count=2, max_node_count=5, total_max_node_count=15)
    whole = seen.model_copy(update={"autoscaling": bounds})
    assert judge(BOUNDS, FORWARD, whole, None).reason_code == "bounds_differ"


def test_a_floor_that_no_zone_reports_is_not_applied() -> None:
    blank = scaled(running(4, 4, 4)).model_copy(update={"zones": ()})
    assert code(judge(BOUNDS, FORWARD, blank, None)) == (False, False, "floor_not_applied")


def test_the_way_back_of_bounds_leaves_the_size_to_the_autoscaler() -> None:
    assert judge(BOUNDS, BACK, scaled(running(1, 1, 1, target=4, stable=False)), None).matches


def test_what_was_expected_is_named_by_zone_or_bound() -> None:
    assert expected_of(resize(4), observation()) == dict.fromkeys(ZONES, 4)
    assert expected_of(BOUNDS, observation()) == {"min": 2, "max": 5}
