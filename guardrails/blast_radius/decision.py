"""GUARDRAIL blast radius: how much changes at once, and whether one call can take it back."""

from __future__ import annotations

from pydantic import JsonValue

from contracts.action import Action, ResizeNodePool
from contracts.evaluation import Verdict
from contracts.observation import NodePoolObservation
from guardrails.answers import Answers
from guardrails.change import Change, change_of
from guardrails.facts import Facts

_ANSWER = Answers("blast_radius")


def decide(facts: Facts) -> Verdict:
    """Ask for a person above the share that the limits allow, and always when it cannot be undone."""
    if facts.observation is None or not facts.observation.zones:
        return _ANSWER.deny(
            "known_size", "blast_radius_unknown", "Without an observation nobody knows how much would change."
        )
    change = change_of(facts.draft.action, facts.observation)
    shown = _shown(change, facts.observation)
    if change.is_no_op:
        return _ANSWER.allow("nothing_changes", "Nothing changes.", shown)
    rules, told = [], []
    if not change.is_reversible:
        rules.append("reversible")
        told.append(f"{_in_the_way(facts.draft.action)}, so no single call can bring this state back.")
    share, limit = share_of_pool(change), facts.limits.max_share
    if share > limit:
        rules.append("max_share")
        told.append(f"{share:.0%} of the pool changes at once; up to {limit:.0%} needs nobody.")
    if not rules:
        return _ANSWER.allow("max_share", f"{share:.0%} of the pool changes, and it can be undone.", shown)
    code = "not_reversible" if not change.is_reversible else "large_change"
    return _ANSWER.require_approval(rules[0], code, " ".join(told), rules=rules, facts=shown)


def _in_the_way(action: Action) -> str:
    is_resize = isinstance(action, ResizeNodePool)
    return "The zones differ in size" if is_resize else "There are no bounds per zone to return to"


def share_of_pool(change: Change) -> float:
    """Return the change as a share of the pool's present size. An empty pool counts as one node per zone."""
    return abs(change.delta) / max(change.nodes_before, change.zones, 1)


def share_of_cluster(change: Change, seen: NodePoolObservation) -> float | None:
    """Return the change as a share of the cluster's present size; None where that has no node."""
    return abs(change.delta) / seen.cluster_node_count if seen.cluster_node_count else None


def _shown(change: Change, seen: NodePoolObservation) -> dict[str, JsonValue]:
    of_cluster = share_of_cluster(change, seen)
    return {
        "nodes_before": change.nodes_before,
        "nodes_after": change.nodes_after,
        "share_of_pool": round(share_of_pool(change), 4),
        "share_of_cluster": None if of_cluster is None else round(of_cluster, 4),
        "reversible": change.is_reversible,
    }
