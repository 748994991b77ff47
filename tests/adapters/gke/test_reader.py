"""Reads through Google's client from a real listener: sizes, bounds, operations, and every failure as ours."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from adapters.gke.effector import GkeNodePoolEffector
from adapters.gke.reader import GkeNodePoolReader
from contracts.action import NodePoolTarget
from contracts.errors import (
    ProviderError,
    ProviderPermissionDenied,
    ProviderUnavailable,
    TargetNotFound,
)
from contracts.observation import Accelerator, AutoscalingBounds, BootDisk, ProviderOperation
from contracts.ports import NodePoolReader
from tests.gke_fixtures import EmulatorProcess, RunningEmulator
from tests.waiting import eventually

SERVING = {"project": "acme-prod", "location": "europe-west4", "cluster": "serving"}
INFERENCE = NodePoolTarget(**SERVING, node_pool="inference")
KEY = "acme-prod/europe-west4/serving/inference"
TIMEOUT = timedelta(seconds=10)


async def ended(reader: NodePoolReader, target: NodePoolTarget, name: str) -> ProviderOperation:
    async def over() -> ProviderOperation | None:
        operation = await reader.get_operation(target, name)
        return None if operation.is_running else operation

    found = await eventually(over)
    assert found is not None
    return found


async def test_an_observation_carries_sizes_per_zone_and_what_the_pool_is(reader: GkeNodePoolReader) -> None:
    seen = await reader.observe(INFERENCE)
    assert seen.machine_type == "g2-standard-8"
    assert seen.accelerators == (Accelerator(type="nvidia-l4", count=1),)
    assert seen.target_sizes == {"europe-west4-a": 2, "europe-west4-b": 2, "europe-west4-c": 2}
    assert seen.even_node_count == 2
    assert all(zone.stable and zone.running == 2 for zone in seen.zones)
    assert (seen.status, seen.autoscaling, seen.spot, seen.operations) == ("RUNNING", None, False, ())
    assert seen.etag
    assert seen.version
    assert seen.cluster_node_count == 6 + 6 + 3 + 0 + 6 + 3


async def test_an_observation_carries_labels_and_boot_disk(reader: GkeNodePoolReader) -> None:
    seen = await reader.observe(INFERENCE)
    assert seen.labels == {"tier": "serving"}
    assert seen.resource_labels == {"service": "search", "cost-center": "4711"}
    key = "projects/acme-keys/locations/europe-west4/keyRings/gke/cryptoKeys/nodes"
    assert seen.boot_disk == BootDisk(type="pd-ssd", size_gb=200, kms_key=key)
    plain = await reader.observe(INFERENCE.model_copy(update={"node_pool": "web"}))
    assert (plain.labels, plain.resource_labels) == ({}, {})
    assert plain.boot_disk == BootDisk(type="pd-balanced", size_gb=100)


async def test_sizes_never_come_from_the_initial_node_count(
    local_fleet: RunningEmulator, reader: GkeNodePoolReader
) -> None:
    await local_fleet.admin.change_pool(KEY, zones={"europe-west4-a": 7, "europe-west4-c": 0})
    seen = await reader.observe(INFERENCE)
    assert seen.target_sizes == {"europe-west4-a": 7, "europe-west4-b": 2, "europe-west4-c": 0}
    assert seen.even_node_count is None


async def test_a_zonal_cluster_has_one_zone(reader: GkeNodePoolReader) -> None:
    target = NodePoolTarget(
        project="acme-prod", location="europe-west4-a", cluster="tools", node_pool="default"
    )
    assert (await reader.observe(target)).target_sizes == {"europe-west4-a": 3}


async def test_nodes_on_their_way_do_not_count_as_running(
    local_fleet: RunningEmulator, reader: GkeNodePoolReader
) -> None:
    await local_fleet.admin.settings(node_start=60, node_stop=60)
    await local_fleet.admin.change_pool(KEY, zones={"europe-west4-a": 4, "europe-west4-b": 1}, settle=False)
    seen = {zone.zone: zone for zone in (await reader.observe(INFERENCE)).zones}
    grows, shrinks, rests = (seen[f"europe-west4-{zone}"] for zone in "abc")
    assert (grows.target_size, grows.running, grows.stable) == (4, 2, False)
    assert (shrinks.target_size, shrinks.running, shrinks.stable) == (1, 2, False)
    assert (rests.target_size, rests.running, rests.stable) == (2, 2, True)


@pytest.mark.parametrize(
    ("pool", "bounds"),
    [
        (
            "batch-autoscaled",
            AutoscalingBounds(min_node_count=0, max_node_count=5, location_policy="BALANCED"),
        ),
        (
            "jobs-total",
            AutoscalingBounds(total_min_node_count=1, total_max_node_count=9, location_policy="BALANCED"),
        ),
    ],
)
async def test_bounds_are_per_zone_or_pool_wide(
    reader: GkeNodePoolReader, pool: str, bounds: AutoscalingBounds
) -> None:
    seen = await reader.observe(NodePoolTarget(**SERVING, node_pool=pool))
    assert seen.autoscaling == bounds


async def test_operations_are_of_the_cluster_only_newest_first_and_named_by_the_pool(
    local_fleet: RunningEmulator, reader: GkeNodePoolReader, effector: GkeNodePoolEffector
) -> None:
    foreign = await local_fleet.admin.start_operation("acme-prod/europe-west4-a/tools", type="UPGRADE_NODES")
    first = await effector.set_size(INFERENCE, 3, timeout=TIMEOUT)
    await ended(reader, INFERENCE, first)
    second = await effector.set_size(INFERENCE, 2, timeout=TIMEOUT)
    found = await reader.list_operations(INFERENCE)
    assert [operation.name for operation in found] == [second, first]
    assert foreign not in {operation.name for operation in found}
    assert {operation.target for operation in found} == {INFERENCE.resource_name}
    assert found[0].type == "SET_NODE_POOL_SIZE"
    assert found[0].started_at is not None
    running = (await reader.observe(INFERENCE)).operations
    assert [operation.name for operation in running] == [second]


async def test_a_foreign_operation_on_the_whole_cluster_is_seen(
    local_fleet: RunningEmulator, reader: GkeNodePoolReader
) -> None:
    name = await local_fleet.admin.start_operation("acme-prod/europe-west4/serving", type="REPAIR_CLUSTER")
    (seen,) = (await reader.observe(INFERENCE)).operations
    assert (seen.name, seen.type, seen.target) == (name, "REPAIR_CLUSTER", INFERENCE.cluster_name)


@pytest.mark.parametrize(
    ("fault", "error_code"),
    [("stockout", "GCE_STOCKOUT"), ("operation_error", "INTERNAL"), ("partial", None)],
)
async def test_a_failed_operation_carries_a_stable_code(
    local_fleet: RunningEmulator,
    reader: GkeNodePoolReader,
    effector: GkeNodePoolEffector,
    fault: str,
    error_code: str | None,
) -> None:
    await local_fleet.admin.add_fault("SetNodePoolSize", fault)
    name = await effector.set_size(INFERENCE, 4, timeout=TIMEOUT)
    assert (await ended(reader, INFERENCE, name)).error_code == error_code
    zones = (await reader.observe(INFERENCE)).zones
    assert all(zone.target_size == 4 for zone in zones)
    reached = all(zone.running == zone.target_size and zone.stable for zone in zones)
    assert reached is (fault == "operation_error")


async def test_node_pools_are_listed_by_name(reader: GkeNodePoolReader) -> None:
    names = await reader.list_node_pools("acme-prod", "europe-west4", "serving")
    assert names[:2] == ["inference", "web"]


@pytest.mark.parametrize("missing", ["project", "location", "cluster", "node_pool"])
async def test_what_is_not_there_is_a_target_that_is_not_found(
    reader: GkeNodePoolReader, missing: str
) -> None:
    names = INFERENCE.model_dump() | {missing: "us-east1" if missing == "location" else "nowhere"}
    with pytest.raises(TargetNotFound):
        await reader.observe(NodePoolTarget.model_validate(names))
    with pytest.raises(TargetNotFound):
        await reader.get_operation(INFERENCE, "operation-1-1")


@pytest.mark.parametrize(
    "method", ["GetCluster", "GetNodePool", "ListOperations", "instanceGroupManagers.get"]
)
@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("unavailable", ProviderUnavailable),
        ("internal", ProviderUnavailable),
        ("timeout_before_effect", ProviderUnavailable),
        ("too_many_operations", ProviderUnavailable),
        ("permission", ProviderPermissionDenied),
        ("not_found", TargetNotFound),
    ],
)
async def test_a_failed_read_is_one_of_our_errors_and_is_not_tried_again(
    local_fleet: RunningEmulator,
    reader: GkeNodePoolReader,
    method: str,
    kind: str,
    error: type[ProviderError],
) -> None:
    await local_fleet.admin.add_fault(method, kind, zones=[], times=1)
    with pytest.raises(error) as raised:
        await reader.observe(INFERENCE)
    assert type(raised.value) is error
    assert len([call for call in local_fleet.calls() if call.fault]) == 1
    expected = 3 if method == "instanceGroupManagers.get" else 1
    assert len(local_fleet.calls().of(method)) == expected


async def test_a_provider_that_comes_back_is_used_again_within_seconds(
    practice_fleet: EmulatorProcess,
) -> None:
    reader = GkeNodePoolReader.to_endpoint(practice_fleet.address, practice_fleet.compute_url)
    await reader.observe(INFERENCE)
    await practice_fleet.kill()
    for _ in range(5):
        with pytest.raises(ProviderUnavailable):
            await reader.observe(INFERENCE)
        await asyncio.sleep(0.3)
    await practice_fleet.start()
    async with asyncio.timeout(60):
        while True:
            with suppress(ProviderUnavailable):
                await reader.observe(INFERENCE)
                break
            await asyncio.sleep(0.1)
    await reader.close()


async def test_a_proxy_of_the_environment_never_sees_an_endpoint(
    local_fleet: RunningEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "grpc_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("no_proxy", "NO_PROXY", "no_grpc_proxy"):
        monkeypatch.delenv(name, raising=False)
    reader = GkeNodePoolReader.to_endpoint(local_fleet.address, local_fleet.compute_url)
    assert (await reader.observe(INFERENCE)).even_node_count == 2
    await reader.close()


async def test_nobody_listening_is_unavailable() -> None:
    reader = GkeNodePoolReader.to_endpoint("127.0.0.1:1", "http://127.0.0.1:1", timeout=timedelta(seconds=1))
    with pytest.raises(ProviderUnavailable):
        await reader.observe(INFERENCE)
    await reader.close()


@asynccontextmanager
async def compute(answer: web.Response) -> AsyncIterator[str]:
    """Run a Compute API that says the same to everybody, and yield its URL."""

    async def say(_: web.Request) -> web.Response:
        return web.Response(body=answer.body, status=answer.status, content_type=answer.content_type)

    app = web.Application()
    app.add_routes([web.get("/{path:.*}", say)])
    runner = web.AppRunner(app, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def refused_by_compute(fleet: RunningEmulator, answer: web.Response) -> type[ProviderError]:
    async with compute(answer) as url:
        reader = GkeNodePoolReader.to_endpoint(fleet.address, url)
        with pytest.raises(ProviderError) as raised:
            await reader.observe(INFERENCE)
        await reader.close()
    return type(raised.value)


async def test_an_answer_of_compute_that_is_no_instance_group_is_unavailable(
    local_fleet: RunningEmulator,
) -> None:
    answer = web.json_response({"targetSize": "many"})
    assert await refused_by_compute(local_fleet, answer) is ProviderUnavailable


@pytest.mark.parametrize(
    "said",
    [
        {"errors": [{"domain": "usageLimits", "reason": "rateLimitExceeded"}]},
        {"errors": [{"domain": "usageLimits", "reason": "userRateLimitExceeded"}]},
        {"details": [{"@type": "type.googleapis.com/google.rpc.Help"}, {"reason": "RATE_LIMIT_EXCEEDED"}]},
    ],
    ids=["everybody", "user", "error-info"],
)
async def test_compute_that_is_asked_too_often_may_answer_later(
    local_fleet: RunningEmulator, said: dict[str, Any]
) -> None:
    answer = web.json_response({"error": {"code": 403, "message": "Quota exceeded"} | said}, status=403)
    assert await refused_by_compute(local_fleet, answer) is ProviderUnavailable


@pytest.mark.parametrize(
    "said",
    [
        '{"error": {"code": 403, "errors": [{"reason": "forbidden"}]}}',
        "<html>no</html>",
        "[]",
        "",
        '{"error": 5}',
    ],
)
async def test_compute_that_forbids_for_another_reason_or_none_denies_it(
    local_fleet: RunningEmulator, said: str
) -> None:
    answer = web.Response(text=said, status=403)
    assert await refused_by_compute(local_fleet, answer) is ProviderPermissionDenied


async def test_without_google_credentials_google_mode_is_denied(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "absent.json"))
    reader = GkeNodePoolReader.to_google()
    with pytest.raises(ProviderPermissionDenied):
        await reader.observe(INFERENCE)
    await reader.close()


def test_a_reader_has_no_way_to_change_anything() -> None:
    public = {name for name in vars(GkeNodePoolReader) if not name.startswith("_")}
    assert public == {
        "close",
        "get_operation",
        "list_node_pools",
        "list_operations",
        "observe",
        "to_endpoint",
        "to_google",
    }


def test_importing_the_adapter_loads_no_google_library() -> None:
    code = (
        "import sys, adapters.gke.reader, adapters.gke.effector\n"
        "assert not [m for m in sys.modules if m.startswith(('google.', 'grpc', 'kubernetes'))]"
    )
    root = Path(__file__).resolve().parents[3]
    subprocess.run([sys.executable, "-c", code], cwd=root, check=True, env={"PYTHONPATH": str(root)})
