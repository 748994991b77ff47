"""EXECUTION reads before it acts: what a reading of the target means. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from contracts.action import Action, ResizeNodePool, SetNodePoolAutoscaling
from contracts.observation import NodePoolObservation, ProviderOperation

CLOCK_SKEW = timedelta(seconds=2)
"""How far the provider's clock may lag behind the database's."""
UNCLEAR = timedelta(minutes=5)
"""It may lag by more: of what began so shortly before the intent and is nobody's, only a person can tell."""

_OPERATION_TYPES = {
    "gke.node_pool.resize": frozenset({"SET_NODE_POOL_SIZE"}),
    "gke.node_pool.autoscaling": frozenset({"UPDATE_CLUSTER", "UPDATE_NODE_POOL"}),
}
"""google.container.v1.Operation.Type that each action starts. Which one autoscaling starts is not documented."""


class Finding(StrEnum):
    """What the target looks like right before a call."""

    BUSY = "busy"
    """An operation runs on the cluster."""
    AT_TARGET = "at_target"
    """It already is as desired."""
    AS_EXPECTED = "as_expected"
    """It is what the call was decided for."""
    CHANGED = "changed"
    """Somebody changed it."""


def is_at(action: Action, seen: NodePoolObservation) -> bool:
    """Tell whether what was asked of the provider equals the action already. A pool without zones equals none."""
    if isinstance(action, ResizeNodePool):
        return seen.autoscaling is None and seen.even_node_count == action.node_count
    bounds = seen.autoscaling
    return (
        bounds is not None
        and not bounds.is_pool_wide
        and (bounds.min_node_count, bounds.max_node_count) == (action.min_node_count, action.max_node_count)
    )


def before_effect(action: Action, seen: NodePoolObservation, *, holds: bool) -> Finding:
    """Read the target before the forward effect. `holds` = the approved precondition does."""
    if any(operation.is_running for operation in seen.operations):
        return Finding.BUSY
    if is_at(action, seen):
        return Finding.AT_TARGET
    return Finding.AS_EXPECTED if holds else Finding.CHANGED


def before_compensation(
    undo: Action, effect: Action, prior: NodePoolObservation, seen: NodePoolObservation
) -> Finding:
    """Read the target before the way back: only what our own effect left may be changed."""
    if any(operation.is_running for operation in seen.operations):
        return Finding.BUSY
    if is_at(undo, seen):
        return Finding.AT_TARGET
    if seen.machine_type != prior.machine_type or not _is_ours(effect, prior, seen):
        return Finding.CHANGED
    return Finding.AS_EXPECTED


def _is_ours(effect: Action, prior: NodePoolObservation, seen: NodePoolObservation) -> bool:
    """An effect may have taken place in some zones only: each zone is as before or as we asked."""
    if isinstance(effect, SetNodePoolAutoscaling):
        return is_at(effect, seen)
    before = prior.target_sizes
    return (
        seen.autoscaling is None
        and set(before) == set(seen.target_sizes)
        and all(zone.target_size in (before[zone.zone], effect.node_count) for zone in seen.zones)
    )


def is_like(operation: ProviderOperation, action: Action) -> bool:
    """Tell whether an operation could have been started by a call for this action: its type and target fit."""
    return operation.type in _OPERATION_TYPES[action.kind] and operation.target in (
        action.target.resource_name,
        action.target.cluster_name,
    )


def is_late(operation: ProviderOperation, deadline: datetime) -> bool:
    """Tell whether an operation began when no call might be in flight any more, or nobody knows when."""
    return operation.started_at is None or operation.started_at >= deadline


def own_operation(
    operations: Sequence[ProviderOperation],
    action: Action,
    *,
    since: datetime,
    strangers: set[str],
) -> ProviderOperation | None:
    """Return the operation an earlier attempt of ours started, or None.

    The provider takes no mark of ours, so it is told by target, type and time: the first one since the intent that no
    other effect of ours owns.
    """
    mine = [
        operation
        for operation in operations
        if operation.name not in strangers
        and is_like(operation, action)
        and operation.started_at is not None
        and operation.started_at >= since - CLOCK_SKEW
    ]
    on_pool = [operation for operation in mine if operation.target == action.target.resource_name]
    return min(on_pool or mine, key=lambda one: one.started_at or since, default=None)
