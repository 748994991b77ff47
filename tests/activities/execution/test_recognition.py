"""What a reading means, as pure functions."""

from __future__ import annotations

from datetime import timedelta

import pytest

from activities.execution.recognition import (
    Finding,
    before_compensation,
    before_effect,
    is_at,
    own_operation,
)
from contracts.action import SetNodePoolAutoscaling
from contracts.effect import restoring
from contracts.observation import AutoscalingBounds, NodePoolObservation, ProviderOperation
from tests.contracts.samples import NOON, observation, resize

POOL = resize().target.resource_name
FOUR = resize(4)
TWO = resize(2)
BOUNDS = SetNodePoolAutoscaling(
    project="acme-prod",
    location="europe-west4",
    cluster="serving",
    node_pool="inference",
    min_node_count=1,
    max_node_count=5,
)


def operation(name: str = "op-1", *, seconds: float = 1, **changes: object) -> ProviderOperation:
    fields: dict[str, object] = {
        "name": name,
        "type": "SET_NODE_POOL_SIZE",
        "status": "RUNNING",
        "target": POOL,
        "started_at": NOON + timedelta(seconds=seconds),
    }
    return ProviderOperation.model_validate(fields | changes)


def scaled(**bounds: int) -> NodePoolObservation:
    return observation().model_copy(update={"autoscaling": AutoscalingBounds(**bounds)})


def found(*operations: ProviderOperation, strangers: set[str] | None = None) -> str | None:
    one = own_operation(operations, FOUR, since=NOON, strangers=strangers or set())
    return one.name if one else None


def test_our_operation_is_told_by_target_type_and_time() -> None:
    assert found(operation()) == "op-1"
    assert found(operation(type="UPGRADE_NODES")) is None
    assert (
        found(operation(target=resize().model_copy(update={"node_pool": "web"}).target.resource_name)) is None
    )
    assert found(operation(seconds=-60)) is None
    assert found(operation(started_at=None)) is None


def test_an_operation_of_another_effect_is_a_stranger() -> None:
    assert found(operation("theirs"), operation("ours", seconds=2), strangers={"theirs"}) == "ours"


def test_the_first_operation_since_the_intent_is_ours() -> None:
    assert found(operation("later", seconds=9), operation("first", seconds=1)) == "first"


def test_a_little_skew_of_the_providers_clock_is_allowed() -> None:
    assert found(operation(seconds=-1)) == "op-1"


def test_a_size_is_reached_when_every_zone_asks_for_it() -> None:
    assert is_at(TWO, observation(2, 2, 2))
    assert not is_at(TWO, observation(2, 2, 3))
    assert not is_at(TWO, scaled(min_node_count=1, max_node_count=5))


def test_an_answer_without_zones_is_no_size_at_all() -> None:
    seen = observation().model_copy(update={"zones": ()})
    assert not is_at(resize(4), seen)
    assert before_effect(resize(4), seen, holds=False) is Finding.CHANGED


def test_bounds_are_reached_when_they_are_per_zone_and_equal() -> None:
    assert is_at(BOUNDS, scaled(min_node_count=1, max_node_count=5))
    assert not is_at(BOUNDS, scaled(min_node_count=0, max_node_count=5))
    assert not is_at(BOUNDS, scaled(min_node_count=1, max_node_count=5, total_max_node_count=9))
    assert not is_at(BOUNDS, observation())


def test_a_running_operation_comes_before_everything_else() -> None:
    busy = observation(4, 4, 4).model_copy(update={"operations": (operation(),)})
    assert before_effect(FOUR, busy, holds=False) is Finding.BUSY
    assert before_compensation(TWO, FOUR, observation(), busy) is Finding.BUSY


@pytest.mark.parametrize(
    ("sizes", "holds", "finding"),
    [
        ((4, 4, 4), False, Finding.AT_TARGET),
        ((2, 2, 2), True, Finding.AS_EXPECTED),
        ((2, 2, 3), False, Finding.CHANGED),
    ],
)
def test_before_the_effect(sizes: tuple[int, ...], holds: bool, finding: Finding) -> None:
    assert before_effect(FOUR, observation(*sizes), holds=holds) is finding


@pytest.mark.parametrize(
    ("sizes", "finding"),
    [
        ((4, 4, 4), Finding.AS_EXPECTED),
        ((4, 4, 2), Finding.AS_EXPECTED),
        ((2, 2, 2), Finding.AT_TARGET),
        ((4, 4, 5), Finding.CHANGED),
    ],
)
def test_the_way_back_touches_only_what_our_effect_left(sizes: tuple[int, ...], finding: Finding) -> None:
    assert before_compensation(TWO, FOUR, observation(2, 2, 2), observation(*sizes)) is finding


@pytest.mark.parametrize(
    ("seen", "finding"),
    [
        (scaled(min_node_count=1, max_node_count=5), Finding.AS_EXPECTED),
        (scaled(min_node_count=0, max_node_count=3), Finding.AT_TARGET),
        (scaled(min_node_count=2, max_node_count=8), Finding.CHANGED),
        (observation(), Finding.CHANGED),
    ],
    ids=["ours", "as before", "somebody else's", "none"],
)
def test_the_way_back_replaces_no_bounds_but_ours(seen: NodePoolObservation, finding: Finding) -> None:
    prior = scaled(min_node_count=0, max_node_count=3)
    undo = restoring(BOUNDS, prior)
    assert undo is not None
    assert before_compensation(undo, BOUNDS, prior, seen) is finding


def test_an_autoscaler_or_a_zone_less_than_before_is_a_change() -> None:
    prior, seen = observation(2, 2, 2), observation(4, 4, 4)
    autoscaled = seen.model_copy(update={"autoscaling": AutoscalingBounds(max_node_count=9)})
    smaller = seen.model_copy(update={"zones": seen.zones[:2]})
    assert before_compensation(TWO, FOUR, prior, autoscaled) is Finding.CHANGED
    assert before_compensation(TWO, FOUR, prior, smaller) is Finding.CHANGED


def test_another_machine_type_is_a_change() -> None:
    seen = observation(4, 4, 4).model_copy(update={"machine_type": "n2-standard-4"})
    assert before_compensation(TWO, FOUR, observation(), seen) is Finding.CHANGED
