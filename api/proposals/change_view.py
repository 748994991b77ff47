"""One change for a reviewer: before and after, how far it reaches, what it costs. Pure."""

from __future__ import annotations

from api.proposals.schemas import After, Before, BlastRadius, BudgetEffect, Cost
from contracts.action import Action, ResizeNodePool
from contracts.evaluation import BudgetLine, CostEstimate
from contracts.observation import NodePoolObservation
from guardrails.blast_radius.decision import share_of_cluster, share_of_pool
from guardrails.change import change_of


def before_of(seen: NodePoolObservation) -> Before:
    """Return the target as it was observed."""
    return Before(
        zones=seen.target_sizes,
        running={zone.zone: zone.running for zone in seen.zones},
        total=seen.total_target,
        machine_type=seen.machine_type,
        accelerators=seen.accelerators,
        spot=seen.spot,
        autoscaling=seen.autoscaling,
        status=seen.status,
        observed_at=seen.taken_at,
    )


def after_of(action: Action, seen: NodePoolObservation | None) -> After:
    """Return the target as it would be; without an observation the zones are not known."""
    if not isinstance(action, ResizeNodePool):
        return After(min_node_count=action.min_node_count, max_node_count=action.max_node_count)
    if seen is None:
        return After(node_count=action.node_count)
    zones = dict.fromkeys(seen.target_sizes, action.node_count)
    return After(zones=zones, total=sum(zones.values()), node_count=action.node_count)


def blast_radius_of(action: Action, seen: NodePoolObservation) -> BlastRadius:
    """Return how much would change, and whether one call can take it back."""
    change = change_of(action, seen)
    return BlastRadius(
        nodes_before=change.nodes_before,
        nodes_after=change.nodes_after,
        node_delta=change.delta,
        share_of_pool=share_of_pool(change),
        share_of_cluster=share_of_cluster(change, seen),
        reversible=change.is_reversible,
        why_not_reversible="" if change.is_reversible else why_irreversible(action),
    )


def why_irreversible(action: Action) -> str:
    """Return why no one call brings the state before back, in words."""
    if isinstance(action, ResizeNodePool):
        return "its zones differ in size, and one call sets one size for all"
    return "it has no bounds per zone to return to"


def cost_of(cost: CostEstimate) -> Cost:
    """Return the cost with what each budget would have left."""
    shown = cost.model_dump(exclude={"lines", "region"})
    return Cost(**shown, budgets=tuple(_budget(line) for line in cost.lines))


def _budget(line: BudgetLine) -> BudgetEffect:
    return BudgetEffect(
        scope=line.scope,
        window=line.window,
        currency=line.currency,
        limit=line.limit,
        reserved=line.reserved,
        committed=line.committed,
        amount=line.amount,
        left_after=line.left_after,
        share=float(line.amount / line.limit) if line.limit else None,
    )
