"""The change in nodes that an action makes to a pool as it was observed. Several guardrails and OPA's input use it."""

from __future__ import annotations

from dataclasses import dataclass

from contracts.action import Action, ResizeNodePool
from contracts.effect import restoring
from contracts.observation import NodePoolObservation
from guardrails.once import once


@dataclass(frozen=True, slots=True)
class Change:
    """Nodes over all zones. For an autoscaled pool the most it may have; a floor that rises starts at what it has."""

    zones: int
    nodes_before: int
    nodes_after: int
    per_zone_after: int
    is_no_op: bool
    """The pool already is as desired."""
    is_reversible: bool
    """One call can bring the state before back."""

    @property
    def delta(self) -> int:
        """Nodes gained; negative when the pool shrinks."""
        return self.nodes_after - self.nodes_before


@once
def change_of(action: Action, seen: NodePoolObservation) -> Change:
    """Return what the action changes. An autoscaler that is off counts with the nodes the pool has."""
    zones = len(seen.zones)
    if isinstance(action, ResizeNodePool):
        return Change(
            zones=zones,
            nodes_before=seen.total_target,
            nodes_after=action.node_count * zones,
            per_zone_after=action.node_count,
            is_no_op=zones > 0 and seen.even_node_count == action.node_count,
            is_reversible=restoring(action, seen) is not None,
        )
    bounds = seen.autoscaling
    wanted = (action.min_node_count, action.max_node_count)
    before, after = seen.total_target, action.max_node_count * zones
    if bounds is not None:
        before = bounds.max_node_count * zones
        floor = action.min_node_count
        forced = sum(max(floor - zone.target_size, 0) for zone in seen.zones)
        if floor > bounds.min_node_count and forced:
            # Nodes that start at once are a change, although the autoscaler might have had them before.
            before = min(before, after - forced)
    return Change(
        zones=zones,
        nodes_before=before,
        nodes_after=after,
        per_zone_after=action.max_node_count,
        is_no_op=bounds is not None and (bounds.min_node_count, bounds.max_node_count) == wanted,
        is_reversible=restoring(action, seen) is not None,
    )
