"""Changes through Google's client at a real listener: one call each, and honest about lost answers."""

from __future__ import annotations

from datetime import timedelta

import pytest

from adapters.gke.effector import GkeNodePoolEffector
from adapters.gke.reader import GkeNodePoolReader
from contracts.action import NodePoolTarget
from contracts.errors import (
    ProviderAmbiguous,
    ProviderConflict,
    ProviderError,
    ProviderPermissionDenied,
    ProviderQuotaExceeded,
    ProviderRefused,
    ProviderUnavailable,
    TargetNotFound,
)
from contracts.observation import AutoscalingBounds
from contracts.ports import NodePoolEffector
from tests.gke_fixtures import RunningEmulator

SERVING = {"project": "acme-prod", "location": "europe-west4", "cluster": "serving"}
INFERENCE = NodePoolTarget(**SERVING, node_pool="inference")
BATCH = NodePoolTarget(**SERVING, node_pool="batch-autoscaled")
TIMEOUT = timedelta(seconds=3)


async def test_a_size_is_set_per_zone_by_one_call_under_the_effects_identity(
    local_fleet: RunningEmulator, effector: NodePoolEffector, reader: GkeNodePoolReader
) -> None:
    name = await effector.set_size(INFERENCE, 4, timeout=TIMEOUT)
    (call,) = local_fleet.calls().of("SetNodePoolSize")
    assert (call.operation, call.accepted, call.request["node_count"]) == (name, True, 4)
    assert call.user_agent.startswith("sluice-effector ")
    await reader.observe(INFERENCE)
    reads = [call for call in local_fleet.calls() if call.method.startswith(("Get", "List", "instance"))]
    assert {call.user_agent.split()[0] for call in reads} == {"sluice-viewer"}


async def test_a_size_of_zero_is_sent_as_zero(
    local_fleet: RunningEmulator, effector: GkeNodePoolEffector
) -> None:
    await effector.set_size(INFERENCE, 0, timeout=TIMEOUT)
    (call,) = local_fleet.calls().accepted("SetNodePoolSize")
    assert call.request["node_count"] == 0


async def test_bounds_are_set_per_zone_and_the_autoscaler_stays_on(
    effector: GkeNodePoolEffector, reader: GkeNodePoolReader, local_fleet: RunningEmulator
) -> None:
    await local_fleet.admin.settings(pending=0, operation=0)
    await effector.set_autoscaling(BATCH, 1, 8, timeout=TIMEOUT)
    seen = await reader.observe(BATCH)
    assert seen.autoscaling == AutoscalingBounds(
        min_node_count=1, max_node_count=8, location_policy="BALANCED"
    )


@pytest.mark.parametrize(
    ("kind", "error", "has_effect"),
    [
        ("timeout_before_effect", ProviderAmbiguous, False),
        ("timeout_after_effect", ProviderAmbiguous, True),
        ("unavailable", ProviderAmbiguous, False),
        ("unavailable_after_effect", ProviderAmbiguous, True),
        ("internal", ProviderAmbiguous, False),
        ("conflict", ProviderConflict, False),
        ("too_many_operations", ProviderUnavailable, False),
        ("quota", ProviderQuotaExceeded, False),
        ("quota_forbidden", ProviderPermissionDenied, False),
        ("permission", ProviderPermissionDenied, False),
        ("not_found", TargetNotFound, False),
    ],
)
async def test_a_failed_change_is_one_of_our_errors_and_is_sent_once(
    local_fleet: RunningEmulator,
    effector: GkeNodePoolEffector,
    kind: str,
    error: type[ProviderError],
    has_effect: bool,
) -> None:
    await local_fleet.admin.add_fault("SetNodePoolSize", kind, times=-1)
    with pytest.raises(ProviderError) as raised:
        await effector.set_size(INFERENCE, 3, timeout=TIMEOUT)
    assert type(raised.value) is error
    assert raised.value.__cause__ is not None
    (call,) = local_fleet.calls().of("SetNodePoolSize")
    assert call.accepted is has_effect


async def test_an_operation_that_runs_is_a_conflict(
    local_fleet: RunningEmulator, effector: GkeNodePoolEffector
) -> None:
    await local_fleet.admin.start_operation("acme-prod/europe-west4/serving", type="UPGRADE_NODES")
    with pytest.raises(ProviderConflict):
        await effector.set_size(INFERENCE, 3, timeout=TIMEOUT)
    with pytest.raises(ProviderConflict):
        await effector.set_autoscaling(BATCH, 0, 3, timeout=TIMEOUT)
    assert local_fleet.calls().accepted() == []


async def test_a_value_that_gke_does_not_take_is_refused(effector: GkeNodePoolEffector) -> None:
    for node_count in (-1, 100_000):
        with pytest.raises(ProviderRefused):
            await effector.set_size(INFERENCE, node_count, timeout=TIMEOUT)
    with pytest.raises(ProviderRefused):
        await effector.set_autoscaling(BATCH, 5, 2, timeout=TIMEOUT)


async def test_a_change_sent_to_nobody_counts_as_possibly_done() -> None:
    effector = GkeNodePoolEffector.to_endpoint("127.0.0.1:1", "http://127.0.0.1:1")
    with pytest.raises(ProviderAmbiguous):
        await effector.set_size(INFERENCE, 3, timeout=TIMEOUT)
    await effector.close()
