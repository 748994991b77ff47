"""Lets time pass for one cluster: operations start and end, nodes come and go, the autoscaler corrects.

Nothing runs in the background. Whoever looks at a cluster first lets everything happen that is due by then, in
order of time; so what is seen depends on the clock only, also across a restart.
"""

from __future__ import annotations

from emulators.gke.faults import FaultKind
from emulators.gke.model import Cluster, EffectKind, Operation, OperationError, Pool, Timing

MAX_ENDED = 200
"""Ended operations a cluster remembers."""


def advance(cluster: Cluster, now: float, timing: Timing) -> None:
    """Let everything happen on the cluster that is due by `now`."""
    while (at := _next_event(cluster)) is not None and at <= now:
        for pool in cluster.pools:
            for group in pool.groups:
                group.step(at, timing)
            _autoscale(cluster, pool, at, timing)
        for operation in cluster.operations:
            _step_operation(cluster, operation, at, timing)
    ended = [op for op in cluster.operations if op.status == "DONE"]
    for operation in ended[:-MAX_ENDED]:
        cluster.operations.remove(operation)


def _next_event(cluster: Cluster) -> float | None:
    times = [group.next_event() for pool in cluster.pools for group in pool.groups]
    times += [pool.autoscale_at for pool in cluster.pools]
    times += [_next_step(cluster, op) for op in cluster.operations if op.status != "DONE"]
    return min((at for at in times if at is not None), default=None)


def _next_step(cluster: Cluster, operation: Operation) -> float | None:
    """When the operation moves next, as far as it is known now. The groups' own events are looked at apart."""
    if operation.status == "PENDING":
        return operation.run_at
    if operation.done_at is None:
        return None
    if _is_settled(cluster, operation):
        return operation.done_at
    if operation.give_up_at is None or not _is_idle(cluster, operation):
        return None
    return max(operation.done_at, operation.give_up_at)


def _is_settled(cluster: Cluster, operation: Operation) -> bool:
    pool = cluster.pool(operation.node_pool or "")
    if operation.effect is not EffectKind.SIZE or pool is None:
        return True
    fault = operation.fault
    silent = fault.kind is FaultKind.PARTIAL if fault else False
    return all(g.stable or (silent and g.stock is not None and not g.creating) for g in pool.groups)


def _is_idle(cluster: Cluster, operation: Operation) -> bool:
    pool = cluster.pool(operation.node_pool or "")
    return pool is None or not any(g.creating or g.deleting for g in pool.groups)


def _step_operation(cluster: Cluster, operation: Operation, at: float, timing: Timing) -> None:
    if operation.status == "PENDING" and operation.run_at <= at:
        operation.status = "RUNNING"
        _apply(cluster, operation, at, timing)
    if operation.status == "DONE" or operation.done_at is None or operation.done_at > at:
        return
    if operation.status == "ABORTING" or _is_settled(cluster, operation):
        fault = operation.fault
        if fault and fault.kind is FaultKind.OPERATION_ERROR:
            operation.error = OperationError(code="INTERNAL", message="Internal error encountered.")
        finish(cluster, operation, at, timing)
    elif operation.give_up_at is not None and operation.give_up_at <= at and _is_idle(cluster, operation):
        operation.error = _stockout(cluster, operation, at)
        finish(cluster, operation, at, timing)


def finish(cluster: Cluster, operation: Operation, at: float, timing: Timing) -> None:
    """End an operation at `at` with the error it has, and leave the mark of it on the pool."""
    operation.status = "DONE"
    operation.ended_at = at
    pool = cluster.pool(operation.node_pool or "")
    if pool is not None and operation.effect is not EffectKind.NONE:
        pool.condition = operation.error
        plan_autoscaler(pool, at, timing)


def _stockout(cluster: Cluster, operation: Operation, at: float) -> OperationError:
    pool = cluster.pool(operation.node_pool or "")
    short = [group for group in pool.groups if not group.stable] if pool else []
    parts = [
        f"Not all instances running in IGM after {at - operation.run_at:.3f}s. Expected {group.target}, running "
        f"{group.running}, transitioning {max(0, group.target - group.running)}. Current errors: [GCE_STOCKOUT]: "
        f"Instance '{group.name.removesuffix('-grp')}-0000' creation failed: The zone "
        f"'projects/{cluster.project}/zones/{group.zone}' does not have enough resources available to fulfill the "
        "request."
        for group in short
    ]
    message = "Google Compute Engine: " + " ".join(parts)
    return OperationError(code="RESOURCE_EXHAUSTED", message=message, condition="GCE_STOCKOUT")


def _apply(cluster: Cluster, operation: Operation, at: float, timing: Timing) -> None:
    pool = cluster.pool(operation.node_pool or "")
    if pool is None:
        return
    if operation.effect is EffectKind.SIZE:
        _spoil_zones(pool, operation, at)
        for group in pool.groups:
            group.resize(operation.node_count, at, timing)
    elif operation.effect is EffectKind.AUTOSCALING:
        if operation.autoscaling and pool.autoscaling is None:
            pool.demand = {group.zone: group.target for group in pool.groups}
        pool.autoscaling = operation.autoscaling
    else:
        return
    pool.revision += 1
    plan_autoscaler(pool, at, timing)


def _spoil_zones(pool: Pool, operation: Operation, at: float) -> None:
    fault = operation.fault
    if fault is None or fault.kind not in (FaultKind.STOCKOUT, FaultKind.PARTIAL):
        return
    zones = fault.zones or [pool.groups[-1].zone]
    for group in pool.groups:
        if group.zone in zones:
            group.stock = group.staying + fault.arrives
            recovers = fault.recovers_after
            group.stock_until = None if recovers is None else at + recovers


def plan_autoscaler(pool: Pool, at: float, timing: Timing) -> None:
    """Wake the autoscaler when the pool is not as it wants it."""
    wanted = pool.wanted_by_autoscaler()
    fights = any(wanted[group.zone] != group.target for group in pool.groups) if wanted else False
    pool.autoscale_at = at + timing.autoscaler if fights else None


def _autoscale(cluster: Cluster, pool: Pool, at: float, timing: Timing) -> None:
    if pool.autoscale_at is None or pool.autoscale_at > at:
        return
    pool.autoscale_at = None
    running = cluster.running_operation()
    if running is not None and running.node_pool == pool.name:
        # It does not work against an operation on its pool; the end of the operation wakes it again.
        return
    for zone, size in pool.wanted_by_autoscaler().items():
        group = pool.group(zone)
        if group is not None and group.target != size:
            group.resize(size, at, timing)
