"""The emulator over the wire, asked by Google's own client: what it accepts, refuses and reports."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest
from google.api_core import exceptions
from google.cloud.container_v1 import types

from emulators.gke import wire
from emulators.gke.model import Cluster, Operation
from tests.emulators.gke.conftest import pool_name
from tests.emulators.gke.watching import BATCH, DEV_GPU, INFERENCE, TOOLS, WEB, ended, sizes
from tests.gke_fixtures import RunningEmulator

if TYPE_CHECKING:
    from tests.emulators.gke.conftest import Client, Clock

Status = types.Operation.Status


async def test_the_fleet_has_regional_and_zonal_clusters_with_every_kind_of_pool(client: Client) -> None:
    listed = await client.call("list_clusters", parent="projects/acme-prod/locations/-")
    assert {(c.name, c.location, len(c.locations)) for c in listed.clusters} == {
        ("serving", "europe-west4", 3),
        ("tools", "europe-west4-a", 1),
    }
    pools = {pool.name: pool for pool in listed.clusters[0].node_pools}
    assert pools["inference"].config.accelerators[0].accelerator_type == "nvidia-l4"
    assert not pools["inference"].autoscaling.enabled
    assert pools["batch-autoscaled"].autoscaling.max_node_count == 5
    assert pools["batch-autoscaled"].config.spot
    assert pools["jobs-total"].autoscaling.total_max_node_count == 9
    one_zone = await client.call("list_clusters", parent="projects/acme-prod/locations/europe-west4-a")
    assert [cluster.name for cluster in one_zone.clusters] == ["tools"]


async def test_a_resize_is_an_operation_and_nodes_come_up_over_time(
    local_fleet: RunningEmulator, client: Client, clock: Clock
) -> None:
    await local_fleet.admin.settings(pending=0.3, node_start=0.3)
    started = await client.set_size(INFERENCE, 4)
    assert started.status == Status.PENDING
    assert started.operation_type == types.Operation.Type.SET_NODE_POOL_SIZE
    assert started.target_link.endswith("/clusters/serving/nodePools/inference")
    assert await sizes(local_fleet, INFERENCE) == [(2, 2)] * 3
    clock.passes(0.35)
    assert await sizes(local_fleet, INFERENCE) == [(4, 2)] * 3
    pool = await client.call("get_node_pool", name=pool_name(INFERENCE))
    assert pool.status == types.NodePool.Status.RECONCILING
    done = await ended(client, clock, INFERENCE, started.name)
    assert done.error.code == 0
    assert done.end_time > done.start_time
    assert await sizes(local_fleet, INFERENCE) == [(4, 4)] * 3


async def test_initial_node_count_does_not_follow_a_resize(client: Client, clock: Clock) -> None:
    await ended(client, clock, INFERENCE, (await client.set_size(INFERENCE, 3)).name)
    assert (await client.call("get_node_pool", name=pool_name(INFERENCE))).initial_node_count == 2


async def test_a_resize_to_the_present_size_is_still_an_operation(
    local_fleet: RunningEmulator, client: Client, clock: Clock
) -> None:
    await ended(client, clock, INFERENCE, (await client.set_size(INFERENCE, 2)).name)
    assert len(local_fleet.calls().accepted("SetNodePoolSize", target=INFERENCE)) == 1


async def test_a_cluster_runs_one_operation_at_a_time(local_fleet: RunningEmulator, client: Client) -> None:
    await local_fleet.admin.settings(operation=5)
    first = await client.set_size(INFERENCE, 3)
    with pytest.raises(exceptions.FailedPrecondition) as refused:
        await client.set_size(WEB, 3)
    assert refused.value.reason == "CLUSTER_ALREADY_HAS_OPERATION"
    assert first.name in refused.value.message
    await client.set_size(TOOLS, 2)
    (logged,) = local_fleet.calls().refused("SetNodePoolSize")
    assert (logged.outcome, logged.reason, logged.target) == (
        "FAILED_PRECONDITION",
        "CLUSTER_ALREADY_HAS_OPERATION",
        WEB,
    )


async def test_a_foreign_operation_keeps_others_out_until_it_ends(
    local_fleet: RunningEmulator, client: Client
) -> None:
    name = await local_fleet.admin.start_operation("acme-prod/europe-west4/serving", type="UPGRADE_NODES")
    with pytest.raises(exceptions.FailedPrecondition):
        await client.set_size(INFERENCE, 3)
    listed = await client.call("list_operations", parent="projects/acme-prod/locations/europe-west4")
    assert [(op.name, op.status) for op in listed.operations] == [(name, Status.RUNNING)]
    await local_fleet.admin.finish_operation(name)
    await client.set_size(INFERENCE, 3)


async def test_the_message_of_an_ended_operation_is_built_once_and_that_of_a_running_one_at_every_look(
    client: Client, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    built, build = list[str](), wire._operation

    def counted(cluster: Cluster, operation: Operation) -> types.Operation:
        built.append(operation.name)
        return build(cluster, operation)

    monkeypatch.setattr(wire, "_operation", counted)
    first = await client.set_size(INFERENCE, 3)
    done = await ended(client, clock, INFERENCE, first.name)
    second = await client.set_size(WEB, 3)
    built.clear()
    for _ in range(3):
        listed = await client.call("list_operations", parent="projects/acme-prod/locations/europe-west4")
        assert listed.operations[0] == done
        assert (listed.operations[1].name, listed.operations[1].status) == (second.name, Status.PENDING)
    assert await client.operation(INFERENCE, first.name) == done
    assert built == [second.name] * 3
    assert (await ended(client, clock, WEB, second.name)).status == Status.DONE


async def test_an_upgrade_can_be_cancelled_and_a_resize_cannot(
    local_fleet: RunningEmulator, client: Client, clock: Clock
) -> None:
    name = await local_fleet.admin.start_operation("acme-prod/europe-west4/serving", type="UPGRADE_NODES")
    path = "projects/acme-prod/locations/europe-west4/operations/"
    await client.call("cancel_operation", name=path + name)
    done = await ended(client, clock, INFERENCE, name)
    assert done.error.code == 0
    resize = await client.set_size(INFERENCE, 3)
    with pytest.raises(exceptions.FailedPrecondition):
        await client.call("cancel_operation", name=path + resize.name)


async def test_quota_of_accelerators_is_refused_as_forbidden_and_shrinking_never_is(
    local_fleet: RunningEmulator, client: Client
) -> None:
    with pytest.raises(exceptions.PermissionDenied) as refused:
        await client.set_size(DEV_GPU, 5)
    assert "Insufficient regional quota" in refused.value.message
    assert refused.value.reason is None
    await local_fleet.admin.change_pool(DEV_GPU, node_count=6)
    await client.set_size(DEV_GPU, 5)


@pytest.mark.parametrize("node_count", [-1, 1001, 2_000_000_000])
async def test_a_size_out_of_range_is_an_invalid_argument(client: Client, node_count: int) -> None:
    with pytest.raises(exceptions.InvalidArgument):
        await client.set_size(INFERENCE, node_count)


async def test_unknown_resources_are_not_found(client: Client) -> None:
    for pool in (
        "acme-prod/europe-west4/serving/nope",
        "acme-prod/europe-west4/nope/inference",
        "acme-prod/us-east4/serving/inference",
        "nope/europe-west4/serving/inference",
    ):
        with pytest.raises(exceptions.NotFound):
            await client.set_size(pool, 1)
    with pytest.raises(exceptions.NotFound):
        await client.operation(INFERENCE, "operation-0-0")


async def test_a_method_that_is_not_modelled_is_unimplemented_and_logged(
    local_fleet: RunningEmulator, client: Client
) -> None:
    with pytest.raises(exceptions.MethodNotImplemented):
        await client.call("delete_cluster", name="projects/acme-prod/locations/europe-west4/clusters/serving")
    assert [call.outcome for call in local_fleet.calls().of("DeleteCluster")] == ["UNIMPLEMENTED"]


async def test_the_autoscaler_fights_a_manual_resize(
    local_fleet: RunningEmulator, client: Client, clock: Clock
) -> None:
    await ended(client, clock, BATCH, (await client.set_size(BATCH, 4)).name)
    assert await sizes(local_fleet, BATCH) == [(4, 4)] * 3
    clock.passes(0.8)
    assert await sizes(local_fleet, BATCH) == [(1, 1)] * 3


async def test_new_bounds_are_reported_and_the_floor_is_applied(
    local_fleet: RunningEmulator, client: Client, clock: Clock
) -> None:
    bounds = {"enabled": True, "min_node_count": 2, "max_node_count": 8}
    started = await client.call("set_node_pool_autoscaling", name=pool_name(BATCH), autoscaling=bounds)
    await ended(client, clock, BATCH, started.name)
    pool = await client.call("get_node_pool", name=pool_name(BATCH))
    assert (pool.autoscaling.min_node_count, pool.autoscaling.max_node_count) == (2, 8)
    clock.passes(0.8)
    assert await sizes(local_fleet, BATCH) == [(2, 2)] * 3


async def test_impossible_bounds_are_refused(client: Client) -> None:
    for bounds in (
        {"enabled": True, "min_node_count": 5, "max_node_count": 2},
        {"enabled": True, "max_node_count": 3, "total_max_node_count": 3},
        {"enabled": True},
    ):
        with pytest.raises(exceptions.InvalidArgument):
            await client.call("set_node_pool_autoscaling", name=pool_name(BATCH), autoscaling=bounds)


async def test_somebody_else_can_change_a_pool_without_a_call(
    local_fleet: RunningEmulator, client: Client
) -> None:
    await local_fleet.admin.change_pool(INFERENCE, zones={"europe-west4-a": 5}, machine_type="g2-standard-12")
    assert await sizes(local_fleet, INFERENCE) == [(5, 5), (2, 2), (2, 2)]
    pool = await client.call("get_node_pool", name=pool_name(INFERENCE))
    assert (pool.config.machine_type, pool.etag) == ("g2-standard-12", "inference-2")
    assert local_fleet.calls().accepted() == []


async def test_the_instance_group_shows_target_running_and_stability(
    local_fleet: RunningEmulator, client: Client
) -> None:
    pool = await client.call("get_node_pool", name=pool_name(INFERENCE))
    path = pool.instance_group_urls[0].removeprefix("https://www.googleapis.com")
    await local_fleet.admin.change_pool(INFERENCE, node_count=4, settle=False)
    await local_fleet.admin.settings(node_start=60)
    async with httpx.AsyncClient(base_url=local_fleet.compute_url, trust_env=False) as http:
        await local_fleet.admin.change_pool(INFERENCE, node_count=5, settle=False)
        group = (await http.get(path)).json()
        assert group["targetSize"] == 5
        assert group["currentActions"]["none"] + group["currentActions"]["creating"] == 5
        assert group["status"] == {"isStable": False}
        missing = await http.get(path + "x")
    assert missing.status_code == 404
    assert missing.json()["error"]["status"] == "NOT_FOUND"


async def test_a_resize_to_zero_is_readable_in_the_log(local_fleet: RunningEmulator, client: Client) -> None:
    await client.set_size(INFERENCE, 0)
    (call,) = local_fleet.calls().accepted("SetNodePoolSize")
    assert call.request["node_count"] == 0
    assert call.target == INFERENCE
    assert "grpc" in call.user_agent
