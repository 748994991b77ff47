"""The emulated provider itself: looks things up, accepts or refuses changes. Knows no wire format.

EXECUTION's effects land here. One event loop calls it, and no method awaits: a decision is never half made.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable

from emulators.gke.failures import ApiError, conflict, invalid, not_found, quota_forbidden
from emulators.gke.faults import Fault, FaultKind
from emulators.gke.model import (
    Autoscaling,
    Cluster,
    EffectKind,
    Group,
    Operation,
    Pool,
    State,
)
from emulators.gke.simulation import advance

MAX_NODES_PER_ZONE = 1_000
ANY = "-"
"""Google's wildcard for a project's locations."""


class Cloud:
    """Everything the provider knows, as it is at the moment of asking."""

    def __init__(self, state: State, clock: Callable[[], float] = time.time) -> None:
        self.state = state
        self._clock = clock

    def now(self) -> float:
        """The present, in seconds since the epoch."""
        return self._clock()

    def clusters(self, project: str, location: str = ANY) -> list[Cluster]:
        """Clusters of a project in one location or, with `-`, in all."""
        found = [c for c in self.state.clusters if c.project == project and location in (ANY, c.location)]
        return [self._current(cluster) for cluster in found]

    def cluster(self, project: str, location: str, name: str) -> Cluster:
        """A cluster. Raises ApiError NOT_FOUND."""
        for cluster in self.state.clusters:
            if (cluster.project, cluster.location, cluster.name) == (project, location, name):
                return self._current(cluster)
        raise not_found(f"projects/{project}/locations/{location}/clusters/{name}")

    def pool(self, project: str, location: str, cluster: str, name: str) -> tuple[Cluster, Pool]:
        """A node pool and its cluster. Raises ApiError NOT_FOUND."""
        owner = self.cluster(project, location, cluster)
        pool = owner.pool(name)
        if pool is None:
            raise not_found(f"projects/{project}/locations/{location}/clusters/{cluster}/nodePools/{name}")
        return owner, pool

    def operations(self, project: str, location: str = ANY) -> list[Operation]:
        """Operations of a project's clusters, oldest first."""
        found = [op for cluster in self.clusters(project, location) for op in cluster.operations]
        return sorted(found, key=lambda op: op.created_at)

    def operation(self, project: str, location: str, name: str) -> tuple[Cluster, Operation]:
        """An operation and its cluster. Raises ApiError NOT_FOUND."""
        for cluster in self.clusters(project, location):
            for operation in cluster.operations:
                if operation.name == name:
                    return cluster, operation
        raise not_found(f"projects/{project}/locations/{location}/operations/{name}")

    def group(self, project: str, zone: str, name: str) -> tuple[Cluster, Pool, Group]:
        """An instance group with its pool and cluster. Raises ApiError NOT_FOUND."""
        for cluster in self.clusters(project):
            for pool in cluster.pools:
                for group in pool.groups:
                    if (group.zone, group.name) == (zone, name):
                        return cluster, pool, group
        raise not_found(f"projects/{project}/zones/{zone}/instanceGroupManagers/{name}")

    def set_size(self, cluster: Cluster, pool: Pool, node_count: int, fault: Fault | None) -> Operation:
        """Accept a resize to `node_count` per zone, also one to the present size. Raises ApiError."""
        if not 0 <= node_count <= MAX_NODES_PER_ZONE:
            raise invalid(f"Node count {node_count} is not between 0 and {MAX_NODES_PER_ZONE}.")
        self._refuse_if_busy(cluster)
        self._refuse_above_quota(cluster, pool, node_count)
        operation = self.start(cluster, "SET_NODE_POOL_SIZE", pool.name, fault=fault)
        operation.effect = EffectKind.SIZE
        operation.node_count = node_count
        return operation

    def set_autoscaling(
        self, cluster: Cluster, pool: Pool, bounds: Autoscaling | None, fault: Fault | None
    ) -> Operation:
        """Accept new autoscaling bounds, or None to switch it off. Raises ApiError."""
        if bounds is not None:
            _check_bounds(bounds)
        self._refuse_if_busy(cluster)
        operation = self.start(cluster, "UPDATE_CLUSTER", pool.name, fault=fault)
        operation.effect = EffectKind.AUTOSCALING
        operation.autoscaling = bounds
        return operation

    def start(
        self, cluster: Cluster, kind: str, node_pool: str | None, *, fault: Fault | None = None
    ) -> Operation:
        """Put a new operation on the cluster, without asking whether another one runs."""
        now, timing = self.now(), self.state.timing
        done_at = now + timing.pending + timing.operation
        operation = Operation(
            name=f"operation-{int(now * 1000)}-{uuid.uuid4()}",
            type=kind,
            project=cluster.project,
            location=cluster.location,
            cluster=cluster.name,
            node_pool=node_pool,
            created_at=now,
            run_at=now + timing.pending,
            done_at=None if fault and fault.kind is FaultKind.STUCK else done_at,
            give_up_at=max(done_at, now + timing.pending + timing.stockout),
            fault=fault,
        )
        cluster.operations.append(operation)
        return operation

    def cancel(self, operation: Operation) -> None:
        """Cancel a node upgrade; the API can cancel nothing else here. Raises ApiError."""
        if operation.type != "UPGRADE_NODES" or operation.status != "RUNNING":
            text = f"Operation {operation.name} of type {operation.type} cannot be cancelled."
            raise ApiError("FAILED_PRECONDITION", text)
        operation.status = "ABORTING"
        operation.done_at = self.now() + self.state.timing.operation

    def _current(self, cluster: Cluster) -> Cluster:
        advance(cluster, self.now(), self.state.timing)
        return cluster

    def _refuse_if_busy(self, cluster: Cluster) -> None:
        running = cluster.running_operation()
        if running is not None:
            raise conflict(running.name)

    def _refuse_above_quota(self, cluster: Cluster, pool: Pool, node_count: int) -> None:
        region = region_of(cluster.location)
        for quota in self.state.quotas:
            per_node = pool.accelerators.get(quota.accelerator, 0)
            if quota.project != cluster.project or quota.region != region or per_node == 0:
                continue
            wanted = per_node * node_count * len(pool.groups)
            others = sum(
                other.accelerators.get(quota.accelerator, 0) * sum(g.target for g in other.groups)
                for other in _pools_in(self.clusters(cluster.project), region)
                if other is not pool
            )
            now = per_node * sum(group.target for group in pool.groups)
            over = others + wanted - quota.limit
            if wanted > now and over > 0:
                raise quota_forbidden(
                    quota.accelerator.upper().replace("-", "_"), wanted - now, over, quota.limit
                )


def _pools_in(clusters: Iterable[Cluster], region: str) -> list[Pool]:
    return [pool for cluster in clusters if region_of(cluster.location) == region for pool in cluster.pools]


def region_of(location: str) -> str:
    """Return the region of a zone or of a region."""
    return "-".join(location.split("-")[:2])


def _check_bounds(bounds: Autoscaling) -> None:
    if bounds.is_pool_wide:
        if bounds.min_node_count or bounds.max_node_count:
            raise invalid("Per-zone and total bounds exclude each other.")
        low, high = bounds.total_min_node_count, bounds.total_max_node_count
    else:
        low, high = bounds.min_node_count, bounds.max_node_count
    if high < 1 or not 0 <= low <= high:
        raise invalid(f"Autoscaling bounds {low}..{high} are not valid.")
