"""The document that OPA judges. `policies/` reads these names; `policies/*/samples` are such documents."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from pydantic import JsonValue

from contracts.configuration import Target
from contracts.observation import NodePoolObservation
from contracts.ports import NodePrice, PoolLoad
from contracts.proposal import Draft
from guardrails.budget.cost import HOURS_PER_MONTH
from guardrails.change import change_of


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is known beyond the pool itself. None = unknown, or not configured; a policy says what that means."""

    price: NodePrice | None = None
    load: PoolLoad | None = None
    fleet_nodes: int | None = None
    """Nodes of every registered pool, as the fleet was last seen."""


UNKNOWN = Surroundings()


def policy_input(
    draft: Draft,
    *,
    target: Target | None,
    production: bool,
    observation: NodePoolObservation | None,
    now: datetime,
    around: Surroundings = UNKNOWN,
) -> dict[str, JsonValue]:
    """Return the input of one pass. What is not known is null; time is given, never asked for."""
    return {
        "now": now.isoformat(),
        "tenant": draft.tenant,
        "environment": draft.environment,
        "production": production,
        "action": draft.action.model_dump(mode="json"),
        "region": region_of(draft.action.location),
        "target": target.model_dump(mode="json") if target else None,
        "observation": _observed(observation) if observation else None,
        "change": _change(draft, observation) if observation else None,
        "cost": _cost(draft, observation, around.price) if observation and around.price else None,
        "load": _load(around.load) if around.load else None,
        "fleet": {"nodes": around.fleet_nodes},
        "proposal": {
            "id": draft.id,
            "revision": draft.revision,
            "channel": draft.channel.value,
            "trust": draft.trust.value,
            "planner": draft.planner.kind.value,
            "model": draft.planner.model,
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
        "labels": dict(seen.labels),
        "resource_labels": dict(seen.resource_labels),
        "boot_disk": seen.boot_disk.model_dump(mode="json") if seen.boot_disk else None,
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


def _cost(draft: Draft, seen: NodePoolObservation, price: NodePrice) -> dict[str, JsonValue]:
    monthly = change_of(draft.action, seen).delta * price.per_hour * HOURS_PER_MONTH
    # Rego's numbers are JSON's; two digits behind the point survive that up to 10^13.
    return {"currency": price.currency, "monthly_delta": float(monthly.quantize(Decimal("0.01")))}


def _load(load: PoolLoad) -> dict[str, JsonValue]:
    return {
        "ready_nodes": load.ready_nodes,
        "least_nodes": load.least_nodes,
        "blocked_budgets": [budget.model_dump(mode="json") for budget in load.blocked_budgets],
    }


def region_of(location: str) -> str:
    """Return the region of a zone (`europe-west4-a`) or of a region."""
    return "-".join(location.split("-")[:2])
