"""Reads node pools under a viewer identity: for the agent's tools, the guard passes and VERIFICATION.

It has no way to change anything; the effector is another class on another connection.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any, Self

from adapters.gke.connection import Connection
from adapters.gke.enumerations import named
from adapters.gke.errors import translated
from adapters.gke.instance_groups import read_instance_group
from adapters.gke.operations import operations_on, to_operation
from contracts.action import NodePoolTarget
from contracts.base import utc_now
from contracts.errors import ProviderUnavailable
from contracts.observation import (
    Accelerator,
    AutoscalingBounds,
    BootDisk,
    NodePoolObservation,
    ProviderOperation,
)

READ_TIMEOUT = timedelta(seconds=10)
AGENT = "sluice-viewer"


class GkeNodePoolReader:
    """`contracts.ports.NodePoolReader` for GKE. Close it in the end."""

    def __init__(self, connection: Connection, *, timeout: timedelta = READ_TIMEOUT) -> None:
        self._connection = connection
        self._timeout = timeout

    @classmethod
    def to_endpoint(cls, endpoint: str, compute_endpoint: str, *, timeout: timedelta = READ_TIMEOUT) -> Self:
        """Read from plaintext gRPC at `host:port` and Compute at an http URL."""
        return cls(Connection.to_endpoint(endpoint, compute_endpoint, agent=AGENT), timeout=timeout)

    @classmethod
    def to_google(cls, *, timeout: timedelta = READ_TIMEOUT) -> Self:
        """Read from Google Cloud under this process's own identity."""
        return cls(Connection.to_google(agent=AGENT), timeout=timeout)

    async def close(self) -> None:
        """Close the connections."""
        await self._connection.close()

    async def observe(self, target: NodePoolTarget) -> NodePoolObservation:
        """Read the pool, its instance groups and the cluster's running operations.

        Sizes come from the instance groups only. `taken_at` is before the first read.

        Raises:
            ProviderError: a subclass, as `NodePoolReader` says.
        """
        taken_at = utc_now()
        cluster, pool, operations = await asyncio.gather(
            self._call("get_cluster", target.cluster_name),
            self._call("get_node_pool", target.resource_name),
            self.list_operations(target),
        )
        zones = await asyncio.gather(
            *(
                read_instance_group(self._connection, link, timeout=self._timeout)
                for link in pool.instance_group_urls
            )
        )
        running = sum(zone.running for zone in zones)
        return NodePoolObservation(
            taken_at=taken_at,
            status=_status(type(pool).pb(pool)),
            machine_type=pool.config.machine_type,
            spot=pool.config.spot or pool.config.preemptible,
            accelerators=tuple(
                Accelerator(type=item.accelerator_type, count=item.accelerator_count)
                for item in pool.config.accelerators
                if item.accelerator_count > 0
            ),
            zones=tuple(sorted(zones, key=lambda zone: zone.zone)),
            autoscaling=_bounds(type(pool).pb(pool).autoscaling),
            etag=pool.etag,
            version=pool.version,
            # The cluster's own count is deprecated and may be absent; the pool is part of it in any case.
            cluster_node_count=max(cluster.current_node_count, running),
            operations=tuple(operation for operation in operations if operation.is_running),
            labels=dict(pool.config.labels),
            resource_labels=dict(pool.config.resource_labels),
            boot_disk=_boot_disk(pool.config),
        )

    async def list_node_pools(self, project: str, location: str, cluster: str) -> list[str]:
        """Return the names of the cluster's node pools. Raises ProviderError subclasses."""
        parent = f"projects/{project}/locations/{location}/clusters/{cluster}"
        answer = await self._call("list_node_pools", parent, key="parent")
        return [pool.name for pool in answer.node_pools]

    async def list_operations(self, target: NodePoolTarget) -> list[ProviderOperation]:
        """Return the operations of the target's cluster that GKE still knows, newest first.

        Raises:
            ProviderError: a subclass; `ProviderUnavailable` also when GKE could not ask every zone, because an
                operation that is not listed would be taken for none.
        """
        parent = f"projects/{target.project}/locations/{target.location}"
        answer = await self._call("list_operations", parent, key="parent")
        if answer.missing_zones:
            raise ProviderUnavailable(f"list_operations of {parent}: some zones did not answer")
        found = operations_on(answer, target)
        return sorted(found, key=lambda op: op.started_at.timestamp() if op.started_at else 0.0, reverse=True)

    async def get_operation(self, target: NodePoolTarget, name: str) -> ProviderOperation:
        """Return one operation by its short name. Raises ProviderError subclasses."""
        path = f"projects/{target.project}/locations/{target.location}/operations/{name}"
        return to_operation(await self._call("get_operation", path), target)

    async def _call(self, method: str, resource: str, *, key: str = "name") -> Any:
        client = await self._connection.container()
        with translated(f"{method} of {resource}", mutating=False):
            return await getattr(client, method)(
                request={key: resource}, retry=None, timeout=self._timeout.total_seconds()
            )


def _boot_disk(config: Any) -> BootDisk:
    # Two generations of fields say the same; GKE fills both, older servers the flat ones only.
    return BootDisk(
        type=config.disk_type or config.boot_disk.disk_type,
        size_gb=max(config.disk_size_gb, config.boot_disk.size_gb),
        kms_key=config.boot_disk_kms_key,
    )


def _status(pool: Any) -> str:
    return named(pool.Status, pool.status)


def _bounds(autoscaling: Any) -> AutoscalingBounds | None:
    if not autoscaling.enabled:
        return None
    policy = autoscaling.location_policy
    return AutoscalingBounds(
        min_node_count=autoscaling.min_node_count,
        max_node_count=autoscaling.max_node_count,
        total_min_node_count=autoscaling.total_min_node_count,
        total_max_node_count=autoscaling.total_max_node_count,
        location_policy=named(autoscaling.LocationPolicy, policy) if policy else "",
    )
