"""The pools that tests of the emulator look at, and what they see there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.cloud.container_v1 import types

from tests.gke_fixtures import RunningEmulator

if TYPE_CHECKING:
    from tests.emulators.gke.conftest import Client, Clock

INFERENCE = "acme-prod/europe-west4/serving/inference"
WEB = "acme-prod/europe-west4/serving/web"
BATCH = "acme-prod/europe-west4/serving/batch-autoscaled"
TOOLS = "acme-prod/europe-west4-a/tools/default"
SCARCE = "acme-dev/us-central1/dev/scarce"
DEV_GPU = "acme-dev/us-central1/dev/gpu-a100"


async def ended(client: Client, clock: Clock, pool: str, name: str) -> Any:
    """Let time pass until the operation is over, and no longer."""
    for _ in range(100):
        operation = await client.operation(pool, name)
        if operation.status == types.Operation.Status.DONE:
            return operation
        clock.passes(0.05)
    raise AssertionError(f"{name} did not end")


async def sizes(fleet: RunningEmulator, pool: str) -> list[tuple[int, int]]:
    """What each zone's group should have, and has."""
    found = await fleet.admin.pool(pool)
    return [(group["target"], group["running"]) for group in found["groups"]]
