"""Google's API gains values that the pinned client library does not know: reading goes on, with their numbers."""

from __future__ import annotations

from typing import Any

import pytest
from google.cloud.container_v1 import ListOperationsResponse, NodePool, NodePoolAutoscaling, Operation

from adapters.gke.operations import operations_on, to_operation
from adapters.gke.reader import GkeNodePoolReader
from tests.adapters.gke.test_reader import INFERENCE
from tests.gke_fixtures import RunningEmulator

LINK = "https://container.googleapis.com/v1/projects/1/locations/europe-west4/clusters/serving/nodePools/inference"
NEWER = 9_999


def operation(**changes: Any) -> Operation:
    bare = Operation.pb(Operation(name="operation-1", target_link=LINK, status=Operation.Status.RUNNING))
    for name, value in changes.items():
        setattr(bare, name, value)
    wrapped: Operation = Operation.wrap(bare)
    return wrapped


def test_an_operation_of_a_newer_type_is_seen_and_runs() -> None:
    found = to_operation(operation(operation_type=NEWER), INFERENCE)
    assert (found.type, found.is_running, found.target) == (str(NEWER), True, INFERENCE.resource_name)


def test_an_operation_of_a_newer_status_counts_as_running() -> None:
    assert to_operation(operation(status=NEWER), INFERENCE).is_running


def test_one_operation_of_a_newer_type_hides_none_beside_it() -> None:
    answer = ListOperationsResponse(operations=[operation(operation_type=NEWER), operation()])
    assert [one.type for one in operations_on(answer, INFERENCE)] == [str(NEWER), "TYPE_UNSPECIFIED"]


def test_a_newer_condition_of_an_operation_is_a_failure() -> None:
    failed = operation(status=Operation.Status.DONE)
    Operation.pb(failed).nodepool_conditions.add().code = NEWER
    assert to_operation(failed, INFERENCE).error_code == str(NEWER)


async def test_a_pool_with_a_newer_status_and_policy_is_read(
    reader: GkeNodePoolReader, local_fleet: RunningEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = reader._call

    async def newer(method: str, resource: str, *, key: str = "name") -> Any:
        answer = await call(method, resource, key=key)
        if method == "get_node_pool":
            NodePool.pb(answer).status = NEWER
            answer.autoscaling = NodePoolAutoscaling(enabled=True)
            NodePool.pb(answer).autoscaling.location_policy = NEWER
        return answer

    monkeypatch.setattr(reader, "_call", newer)
    seen = await reader.observe(INFERENCE)
    assert seen.status == str(NEWER)
    assert seen.autoscaling is not None
    assert seen.autoscaling.location_policy == str(NEWER)
