"""The document that OPA judges. `policies/` reads these names; `policies/*/samples` are such documents."""

from __future__ import annotations

from datetime import datetime

from pydantic import JsonValue

from contracts.configuration import Target
from contracts.observation import NodePoolObservation
from contracts.proposal import Draft
from guardrails.change import change_of


def policy_input(
    draft: Draft,
    *,
    target: Target | None,
    production: bool,
    observation: NodePoolObservation | None,
    now: datetime,
) -> dict[str, JsonValue]:
    """Return the input of one pass. What is not known is null; time is given, never asked for."""
    return {
        "now": now.isoformat(),
        "tenant": draft.tenant,
        "environment": draft.environment,
        "production": production,
        "action": draft.action.model_dump(mode="json"),
        "target": target.model_dump(mode="json") if target else None,
        "observation": _observed(observation) if observation else None,
        "change": _change(draft, observation) if observation else None,
        "proposal": {
            "id": draft.id,
            "revision": draft.revision,
            "channel": draft.channel.value,
            "trust": draft.trust.value,
            "planner": draft.planner.kind.value,
            "confidence": draft.confidence,
            "authors": [author.model_dump(mode="json") for author in draft.authors],
        },
    }


def _observed(seen: NodePoolObservation) -> dict[str, JsonValue]:
    return {
        "status": seen.status,
        "machine_type": seen.machine_type,
        "spot": seen.spot,
        "accelerators": [accelerator.model_dump(mode="json") for accelerator in seen.accelerators],
        "total_nodes": seen.total_target,
        "cluster_nodes": seen.cluster_node_count,
        "autoscaling": seen.autoscaling.model_dump(mode="json") if seen.autoscaling else None,
    }


def _change(draft: Draft, seen: NodePoolObservation) -> dict[str, JsonValue]:
    change = change_of(draft.action, seen)
    return {
        "zones": change.zones,
        "nodes_before": change.nodes_before,
        "nodes_after": change.nodes_after,
        "nodes_per_zone_after": change.per_zone_after,
        "reversible": change.is_reversible,
    }
