"""REQUEST → PROPOSAL: the action that brings an observed pool to a wished size. Pure: observation in, action out."""

from __future__ import annotations

from dataclasses import dataclass

from agents.planners.pool_names import spell
from contracts.action import (
    MAX_NODES_PER_ZONE,
    Action,
    NodePoolTarget,
    ResizeNodePool,
    SetNodePoolAutoscaling,
)
from contracts.observation import NodePoolObservation
from contracts.request import Answered, ProposedAction, Refused

OUT_OF_BOUNDS = "node_count_out_of_bounds"
POOL_WIDE_BOUNDS = "pool_has_total_bounds"

Sized = ProposedAction | Answered | Refused


@dataclass(frozen=True)
class Wish:
    """A pool and the size wished for, in nodes per zone. `because` opens the rationale; it is our own text."""

    target: NodePoolTarget
    node_count: int
    confidence: float
    because: str


def size_to(wish: Wish, seen: NodePoolObservation) -> Sized:
    """Return what brings the pool to the wished size: a resize, or bounds when an autoscaler owns the size."""
    if not 0 <= wish.node_count <= MAX_NODES_PER_ZONE:
        text = f"A node pool has 0 to {MAX_NODES_PER_ZONE} nodes per zone."
        return Refused(text=text, reason_code=OUT_OF_BOUNDS)
    if seen.autoscaling is not None:
        return _bounds_for(wish, seen)
    if seen.even_node_count == wish.node_count:
        return Answered(text=f"{spell(wish.target)} already has {wish.node_count} nodes per zone.")
    action = ResizeNodePool(**_flat(wish.target), node_count=wish.node_count)
    return _proposed(wish, action, f"{describe_size(seen)}; resize to {wish.node_count} per zone.", seen)


def bounds_to(target: NodePoolTarget, low: int, high: int, seen: NodePoolObservation) -> Sized:
    """Return the action that sets an autoscaler's bounds as they were spelled."""
    if not 0 <= low <= high <= MAX_NODES_PER_ZONE or high < 1:
        text = f"Bounds are 0 to {MAX_NODES_PER_ZONE} nodes per zone, the lower one first, the upper one at least 1."
        return Refused(text=text, reason_code=OUT_OF_BOUNDS)
    action = SetNodePoolAutoscaling(**_flat(target), min_node_count=low, max_node_count=high)
    wish = Wish(target, high, 0.95, "Bounds were named in chat")
    return _proposed(wish, action, f"{describe_size(seen)}; set bounds to {low}-{high} per zone.", seen)


def describe_size(seen: NodePoolObservation) -> str:
    """Return the present size in words."""
    sizes = ", ".join(f"{zone.zone} {zone.running} of {zone.target_size}" for zone in seen.zones)
    words = f"running of target nodes: {sizes} ({seen.machine_type})"
    bounds = seen.autoscaling
    if bounds is None:
        return words
    if bounds.is_pool_wide:
        return f"{words}, autoscaled {bounds.total_min_node_count}-{bounds.total_max_node_count} in total"
    return f"{words}, autoscaled {bounds.min_node_count}-{bounds.max_node_count} per zone"


def _bounds_for(wish: Wish, seen: NodePoolObservation) -> Sized:
    bounds = seen.autoscaling
    if bounds is None or bounds.is_pool_wide:
        text = f"{spell(wish.target)} is autoscaled with bounds for the whole pool, which cannot be changed here yet."
        return Refused(text=text, reason_code=POOL_WIDE_BOUNDS)
    if wish.node_count == 0:
        text = f"{spell(wish.target)} is autoscaled: its upper bound is at least 1. Name the bounds instead."
        return Refused(text=text, reason_code=OUT_OF_BOUNDS)
    present = max((zone.target_size for zone in seen.zones), default=0)
    if wish.node_count >= present:
        low, high = wish.node_count, max(bounds.max_node_count, wish.node_count)
    else:
        low, high = min(bounds.min_node_count, wish.node_count), wish.node_count
    if (low, high) == (bounds.min_node_count, bounds.max_node_count):
        return Answered(text=f"{spell(wish.target)} is autoscaled and its bounds are {low}-{high} already.")
    action = SetNodePoolAutoscaling(**_flat(wish.target), min_node_count=low, max_node_count=high)
    why = f"{describe_size(seen)}; an autoscaler owns the size, so set its bounds to {low}-{high} per zone."
    return _proposed(wish, action, why, seen)


def _proposed(wish: Wish, action: Action, why: str, seen: NodePoolObservation) -> ProposedAction:
    return ProposedAction(
        action=action,
        rationale=f"{wish.because}. Seen: {why}",
        confidence=wish.confidence,
        evidence=(f"{wish.target.key} observed at {seen.taken_at.isoformat()}",),
    )


def _flat(target: NodePoolTarget) -> dict[str, str]:
    return target.model_dump(exclude={"kind"})
