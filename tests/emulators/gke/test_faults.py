"""What goes wrong in the emulator: machines that are scarce, and faults that somebody planned."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from google.api_core import exceptions
from google.cloud.container_v1 import types

from tests.emulators.gke.conftest import pool_name
from tests.emulators.gke.watching import INFERENCE, SCARCE, TOOLS, ended, sizes
from tests.gke_fixtures import RunningEmulator

if TYPE_CHECKING:
    from tests.emulators.gke.conftest import Client, Clock

Status = types.Operation.Status


async def test_scarce_machines_end_in_a_stockout_and_the_group_keeps_trying(
    local_fleet: RunningEmulator, client: Client, clock: Clock
) -> None:
    done = await ended(client, clock, SCARCE, (await client.set_size(SCARCE, 3)).name)
    assert done.error.code == 8
    assert done.nodepool_conditions[0].code == types.StatusCondition.Code.GCE_STOCKOUT
    assert await sizes(local_fleet, SCARCE) == [(3, 3), (3, 1)]
    pool = await client.call("get_node_pool", name=pool_name(SCARCE))
    assert pool.status == types.NodePool.Status.RUNNING_WITH_ERROR
    await local_fleet.admin.change_pool(SCARCE, stock={"us-central1-b": None})
    clock.passes(0.2)
    assert await sizes(local_fleet, SCARCE) == [(3, 3), (3, 3)]


async def test_resizing_back_after_a_stockout_leaves_nothing_behind(
    local_fleet: RunningEmulator, client: Client, clock: Clock
) -> None:
    await ended(client, clock, SCARCE, (await client.set_size(SCARCE, 3)).name)
    back = await ended(client, clock, SCARCE, (await client.set_size(SCARCE, 1)).name)
    assert back.error.code == 0
    await local_fleet.admin.change_pool(SCARCE, stock={"us-central1-b": None})
    clock.passes(0.2)
    assert await sizes(local_fleet, SCARCE) == [(1, 1), (1, 1)]


async def test_a_planned_stockout_hits_the_zones_it_names_and_may_recover(
    local_fleet: RunningEmulator, client: Client, clock: Clock
) -> None:
    await local_fleet.admin.add_fault(
        "SetNodePoolSize", "stockout", zones=["europe-west4-b"], arrives=1, recovers_after=1.0
    )
    done = await ended(client, clock, INFERENCE, (await client.set_size(INFERENCE, 4)).name)
    assert done.error.code == 8
    assert await sizes(local_fleet, INFERENCE) == [(4, 4), (4, 3), (4, 4)]
    clock.passes(1.0)
    assert await sizes(local_fleet, INFERENCE) == [(4, 4), (4, 4), (4, 4)]


async def test_a_partial_success_ends_without_an_error_while_nodes_are_missing(
    local_fleet: RunningEmulator, client: Client, clock: Clock
) -> None:
    await local_fleet.admin.add_fault("SetNodePoolSize", "partial")
    done = await ended(client, clock, INFERENCE, (await client.set_size(INFERENCE, 4)).name)
    assert done.error.code == 0
    assert await sizes(local_fleet, INFERENCE) == [(4, 4), (4, 4), (4, 2)]


async def test_an_operation_can_fail_although_it_was_carried_out(
    local_fleet: RunningEmulator, client: Client, clock: Clock
) -> None:
    await local_fleet.admin.add_fault("SetNodePoolSize", "operation_error")
    done = await ended(client, clock, INFERENCE, (await client.set_size(INFERENCE, 3)).name)
    assert done.error.code == 13
    assert await sizes(local_fleet, INFERENCE) == [(3, 3)] * 3


async def test_a_stuck_operation_runs_until_it_is_told_to_end(
    local_fleet: RunningEmulator, client: Client, clock: Clock
) -> None:
    await local_fleet.admin.add_fault("SetNodePoolSize", "stuck")
    started = await client.set_size(INFERENCE, 3)
    clock.passes(0.8)
    assert (await client.operation(INFERENCE, started.name)).status == Status.RUNNING
    await local_fleet.admin.finish_operation(started.name)
    assert (await client.operation(INFERENCE, started.name)).status == Status.DONE


async def test_an_operation_has_its_effect_although_nobody_looked_before_it_was_finished(
    local_fleet: RunningEmulator, client: Client, clock: Clock
) -> None:
    await local_fleet.admin.add_fault("SetNodePoolSize", "stuck")
    started = await client.set_size(INFERENCE, 3)
    clock.passes(0.5)
    await local_fleet.admin.finish_operation(started.name)
    assert await sizes(local_fleet, INFERENCE) == [(3, 3)] * 3


async def test_a_timeout_before_the_effect_changes_nothing(
    local_fleet: RunningEmulator, client: Client
) -> None:
    await local_fleet.admin.add_fault("SetNodePoolSize", "timeout_before_effect")
    with pytest.raises(exceptions.DeadlineExceeded):
        await client.set_size(INFERENCE, 3, timeout=2)
    assert local_fleet.calls().accepted() == []
    assert await sizes(local_fleet, INFERENCE) == [(2, 2)] * 3
    await client.set_size(INFERENCE, 3)


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("timeout_after_effect", exceptions.DeadlineExceeded),
        ("unavailable_after_effect", exceptions.ServiceUnavailable),
    ],
)
async def test_an_answer_can_be_lost_although_the_change_was_accepted(
    local_fleet: RunningEmulator, client: Client, clock: Clock, kind: str, error: type[Exception]
) -> None:
    await local_fleet.admin.add_fault("SetNodePoolSize", kind)
    with pytest.raises(error):
        await client.set_size(INFERENCE, 3, timeout=2)
    (call,) = local_fleet.calls().accepted("SetNodePoolSize", target=INFERENCE)
    assert (call.effect, call.fault) == (1, kind)
    await ended(client, clock, INFERENCE, call.operation)
    assert await sizes(local_fleet, INFERENCE) == [(3, 3)] * 3


@pytest.mark.parametrize(
    ("kind", "error", "reason"),
    [
        ("unavailable", exceptions.ServiceUnavailable, None),
        ("internal", exceptions.InternalServerError, None),
        ("permission", exceptions.PermissionDenied, "IAM_PERMISSION_DENIED"),
        ("quota", exceptions.ResourceExhausted, "GCE_QUOTA_EXCEEDED"),
        ("quota_forbidden", exceptions.PermissionDenied, None),
        ("too_many_operations", exceptions.ResourceExhausted, "CONCURRENT_OPERATIONS_QUOTA_EXCEEDED"),
        ("conflict", exceptions.FailedPrecondition, "CLUSTER_ALREADY_HAS_OPERATION"),
        ("not_found", exceptions.NotFound, None),
    ],
)
async def test_a_planned_refusal_changes_nothing_and_is_logged(
    local_fleet: RunningEmulator, client: Client, kind: str, error: type[Exception], reason: str | None
) -> None:
    await local_fleet.admin.add_fault("SetNodePoolSize", kind, node_pool="inference")
    await client.set_size(TOOLS, 3)
    with pytest.raises(error) as refused:
        await client.set_size(INFERENCE, 3)
    assert isinstance(refused.value, exceptions.GoogleAPICallError)
    assert refused.value.reason == reason
    (logged,) = local_fleet.calls().refused("SetNodePoolSize")
    assert (logged.reason, logged.fault) == (reason or "", kind)
    assert await sizes(local_fleet, INFERENCE) == [(2, 2)] * 3


async def test_faults_can_wait_repeat_and_be_cleared(local_fleet: RunningEmulator, client: Client) -> None:
    await local_fleet.admin.add_fault("GetNodePool", "unavailable", skip=1, times=-1)
    await client.call("get_node_pool", name=pool_name(INFERENCE))
    for _ in range(3):
        with pytest.raises(exceptions.ServiceUnavailable):
            await client.call("get_node_pool", name=pool_name(INFERENCE))
    await local_fleet.admin.clear_faults()
    await client.call("get_node_pool", name=pool_name(INFERENCE))
