"""VERIFICATION: what was found against what was decided. Pure.

A target size that equals the request proves nothing: what runs counts, and that nothing moves any more.
"""

from __future__ import annotations

from dataclasses import dataclass

from contracts.action import Action, ResizeNodePool, SetNodePoolAutoscaling
from contracts.effect import Step
from contracts.observation import NodePoolObservation

VERIFIED = "verified"


@dataclass(frozen=True)
class Judgement:
    """`settled` = waiting longer would change nothing."""

    matches: bool
    settled: bool
    reason_code: str


def expected_of(action: Action, seen: NodePoolObservation) -> dict[str, int]:
    """Return what the action asks for: zone → nodes, or the bounds."""
    if isinstance(action, ResizeNodePool):
        return {zone.zone: action.node_count for zone in seen.zones}
    return {"min": action.min_node_count, "max": action.max_node_count}


def judge(action: Action, step: Step, seen: NodePoolObservation, ready_nodes: int | None) -> Judgement:
    """Compare. `ready_nodes` is None where the Kubernetes API is not configured or does not answer."""
    if isinstance(action, ResizeNodePool):
        return _judge_sizes(action, seen, ready_nodes)
    return _judge_bounds(action, step, seen)


def _judge_sizes(action: ResizeNodePool, seen: NodePoolObservation, ready_nodes: int | None) -> Judgement:
    quiet = _is_quiet(seen)
    if seen.autoscaling is not None:
        return Judgement(matches=False, settled=quiet, reason_code="pool_is_autoscaled")
    if not seen.zones or any(zone.target_size != action.node_count for zone in seen.zones):
        return Judgement(matches=False, settled=quiet, reason_code="target_size_differs")
    if not quiet or any(zone.running != action.node_count for zone in seen.zones):
        return Judgement(matches=False, settled=False, reason_code="nodes_not_running")
    if ready_nodes is not None and ready_nodes != seen.total_target:
        return Judgement(matches=False, settled=False, reason_code="nodes_not_ready")
    return Judgement(matches=True, settled=True, reason_code=VERIFIED)


def _judge_bounds(action: SetNodePoolAutoscaling, step: Step, seen: NodePoolObservation) -> Judgement:
    bounds = seen.autoscaling
    wanted = (action.min_node_count, action.max_node_count)
    if bounds is None or bounds.is_pool_wide or (bounds.min_node_count, bounds.max_node_count) != wanted:
        return Judgement(matches=False, settled=_is_quiet(seen), reason_code="bounds_differ")
    if step is Step.COMPENSATION:
        # The autoscaler brings the size back in its own time; the bounds are what was taken back.
        return Judgement(matches=True, settled=True, reason_code=VERIFIED)
    if not seen.zones or any(zone.running < action.min_node_count for zone in seen.zones):
        return Judgement(matches=False, settled=False, reason_code="floor_not_applied")
    return Judgement(matches=True, settled=True, reason_code=VERIFIED)


def _is_quiet(seen: NodePoolObservation) -> bool:
    return all(zone.stable for zone in seen.zones) and not any(one.is_running for one in seen.operations)
