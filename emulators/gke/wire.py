"""From the emulator's state to Google's own messages (google.container.v1) and Compute's JSON.

What the adapter reads in PROPOSAL and VERIFICATION is written here.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from google.cloud.container_v1 import types
from google.rpc import code_pb2, status_pb2

from emulators.gke.model import Autoscaling, Cluster, Group, Operation, OperationError, Pool

CONTAINER_LINK = "https://container.googleapis.com/v1"
COMPUTE_LINK = "https://www.googleapis.com/compute/v1"
_NAME = re.compile(
    r"^projects/(?P<project>[^/]+)/(?:locations|zones)/(?P<location>[^/]+)"
    r"(?:/clusters/(?P<cluster>[^/]+)(?:/nodePools/(?P<node_pool>[^/]+))?)?"
    r"(?:/operations/(?P<operation>[^/]+))?$"
)


def parse_name(name: str) -> dict[str, str] | None:
    """Split a resource name or parent into its parts; absent parts are left out. None = not a name."""
    match = _NAME.match(name)
    return None if match is None else {k: v for k, v in match.groupdict().items() if v is not None}


def text_time(at: float | None) -> str:
    """RFC 3339 text of a time; empty for None."""
    return "" if at is None else datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")


OPERATION_TYPES = frozenset(types.Operation.pb().DESCRIPTOR.enum_types_by_name["Type"].values_by_name)


def _member(kind: Any, name: str) -> Any:
    """Member of a proto-plus enum by name; their classes carry no types for it."""
    return kind[name]


def operation_message(cluster: Cluster, operation: Operation) -> Any:
    """Return google.container.v1.Operation. That of an ended one is built once, however often somebody looks."""
    if operation.message is not None:
        return operation.message
    message = types.Operation.pb(_operation(cluster, operation))
    if operation.status == "DONE":
        operation.message = message
    return message


def _operation(cluster: Cluster, operation: Operation) -> types.Operation:
    """Build the message. Links carry the project's number, as Google's do."""
    kind = "zones" if cluster.is_zonal else "locations"
    base = f"{CONTAINER_LINK}/projects/{cluster.project_number}/{kind}/{cluster.location}"
    target = f"{base}/clusters/{cluster.name}"
    if operation.node_pool:
        target += f"/nodePools/{operation.node_pool}"
    message = types.Operation(
        name=operation.name,
        zone=cluster.location,
        location=cluster.location,
        operation_type=_member(types.Operation.Type, operation.type),
        status=_member(types.Operation.Status, operation.status),
        self_link=f"{base}/operations/{operation.name}",
        target_link=target,
        start_time=text_time(operation.created_at),
        end_time=text_time(operation.ended_at),
    )
    if operation.error is not None:
        message.error = status_pb2.Status(
            code=code_pb2.Code.Value(operation.error.code), message=operation.error.message
        )
        message.status_message = operation.error.message
        message.nodepool_conditions = [_condition(operation.error)]
    return message


def _condition(error: OperationError) -> types.StatusCondition:
    return types.StatusCondition(
        code=_member(types.StatusCondition.Code, error.condition),
        message=error.message,
        canonical_code=code_pb2.Code.Value(error.code),
    )


def pool_message(cluster: Cluster, pool: Pool) -> types.NodePool:
    """Build google.container.v1.NodePool. It has no current size, exactly as the real one."""
    kind = "zones" if cluster.is_zonal else "locations"
    message = types.NodePool(
        name=pool.name,
        config=types.NodeConfig(
            machine_type=pool.machine_type,
            spot=pool.spot,
            labels=pool.labels,
            resource_labels=pool.resource_labels,
            disk_type=pool.disk_type,
            disk_size_gb=pool.disk_size_gb,
            boot_disk_kms_key=pool.boot_disk_kms_key,
            accelerators=[
                types.AcceleratorConfig(accelerator_type=name, accelerator_count=count)
                for name, count in pool.accelerators.items()
            ],
        ),
        initial_node_count=pool.initial_node_count,
        locations=[group.zone for group in pool.groups],
        self_link=f"{CONTAINER_LINK}/projects/{cluster.project}/{kind}/{cluster.location}/clusters/"
        f"{cluster.name}/nodePools/{pool.name}",
        version=cluster.version,
        instance_group_urls=[group_link(cluster.project, group) for group in pool.groups],
        status=_pool_status(cluster, pool),
        etag=f"{pool.name}-{pool.revision}",
    )
    if pool.autoscaling is not None:
        message.autoscaling = _autoscaling(pool.autoscaling)
    if pool.condition is not None:
        message.conditions = [_condition(pool.condition)]
    return message


def _pool_status(cluster: Cluster, pool: Pool) -> Any:
    running = cluster.running_operation()
    if running is not None and running.node_pool == pool.name:
        return types.NodePool.Status.RECONCILING
    failed = pool.condition is not None
    return types.NodePool.Status.RUNNING_WITH_ERROR if failed else types.NodePool.Status.RUNNING


def _autoscaling(bounds: Autoscaling) -> types.NodePoolAutoscaling:
    policy = bounds.location_policy or "BALANCED"
    return types.NodePoolAutoscaling(
        enabled=True,
        min_node_count=bounds.min_node_count,
        max_node_count=bounds.max_node_count,
        total_min_node_count=bounds.total_min_node_count,
        total_max_node_count=bounds.total_max_node_count,
        location_policy=_member(types.NodePoolAutoscaling.LocationPolicy, policy),
    )


def bounds_of(message: types.NodePoolAutoscaling) -> Autoscaling | None:
    """Read the bounds of a request; None when it switches the autoscaler off."""
    if not message.enabled:
        return None
    policy = types.NodePoolAutoscaling.LocationPolicy(message.location_policy).name
    return Autoscaling(
        min_node_count=message.min_node_count,
        max_node_count=message.max_node_count,
        total_min_node_count=message.total_min_node_count,
        total_max_node_count=message.total_max_node_count,
        location_policy="" if policy == "LOCATION_POLICY_UNSPECIFIED" else policy,
    )


def cluster_message(cluster: Cluster) -> types.Cluster:
    """Build google.container.v1.Cluster with its node pools."""
    groups = [group for pool in cluster.pools for group in pool.groups]
    kind = "zones" if cluster.is_zonal else "locations"
    status = types.Cluster.Status.RECONCILING if cluster.running_operation() else types.Cluster.Status.RUNNING
    return types.Cluster(
        name=cluster.name,
        location=cluster.location,
        zone=cluster.location,
        locations=sorted({group.zone for group in groups}),
        status=status,
        current_master_version=cluster.version,
        current_node_version=cluster.version,
        current_node_count=sum(group.running for group in groups),
        self_link=f"{CONTAINER_LINK}/projects/{cluster.project}/{kind}/{cluster.location}/clusters/{cluster.name}",
        instance_group_urls=[group_link(cluster.project, group) for group in groups],
        node_pools=[pool_message(cluster, pool) for pool in cluster.pools],
    )


def group_link(project: str, group: Group) -> str:
    """URL of an instance group, as node pools name it."""
    return f"{COMPUTE_LINK}/projects/{project}/zones/{group.zone}/instanceGroupManagers/{group.name}"


def group_json(cluster: Cluster, pool: Pool, group: Group) -> dict[str, Any]:
    """Build Compute's InstanceGroupManager resource (compute.v1.instanceGroupManagers.get)."""
    link = group_link(cluster.project, group)
    actions = {
        "abandoning": 0,
        "creating": max(0, group.target - group.staying),
        "creatingWithoutRetries": 0,
        "deleting": len(group.deleting),
        "none": group.staying,
        "recreating": 0,
        "refreshing": 0,
        "restarting": 0,
        "resuming": 0,
        "starting": 0,
        "stopping": 0,
        "suspending": 0,
        "verifying": 0,
    }
    return {
        "kind": "compute#instanceGroupManager",
        "name": group.name,
        "baseInstanceName": group.name.removesuffix("-grp"),
        "zone": f"{COMPUTE_LINK}/projects/{cluster.project}/zones/{group.zone}",
        "selfLink": link,
        "instanceGroup": link.replace("instanceGroupManagers", "instanceGroups"),
        "targetSize": group.target,
        "currentActions": actions,
        "status": {"isStable": group.stable},
        "fingerprint": f"{pool.revision:08x}",
    }
