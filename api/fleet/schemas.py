"""Shapes of the fleet over HTTP."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel

from contracts.action import NodePoolTarget
from contracts.observation import Accelerator, AutoscalingBounds
from contracts.proposal import ProposalState


class ZoneView(BaseModel):
    """One zone of a node pool."""

    zone: str
    target_size: int
    running: int
    stable: bool


class PoolState(BaseModel):
    """What the provider reported of a pool at `taken_at`."""

    taken_at: datetime
    age_seconds: float
    status: str
    machine_type: str
    spot: bool
    accelerators: tuple[Accelerator, ...]
    zones: tuple[ZoneView, ...]
    target_size: int
    running: int
    autoscaling: AutoscalingBounds | None
    operations: int
    """Operations that ran on its cluster."""


class PendingChange(BaseModel):
    """An open proposal for a pool."""

    id: str
    state: ProposalState
    summary: str
    requester: str
    reason_code: str | None
    held_on: str | None
    created_at: datetime


class FleetPool(BaseModel):
    """One registered node pool as it was last seen, with what is about to change."""

    key: str
    target: NodePoolTarget
    environment: str
    is_production: bool
    team: str
    max_nodes_per_zone: int | None
    """From the configuration; null when nobody registers the pool any more."""
    looked_at: datetime
    reason_code: str | None
    """Why the newest look failed: `target_not_found`, the provider does not have it any more; else its error."""
    seen: PoolState | None
    """The newest observation, also when the newest look failed; null when none ever succeeded."""
    near_bound: str | None
    """`at_maximum` or `near_maximum` of what bounds its largest zone: the autoscaler, else the registered limit."""
    pending: tuple[PendingChange, ...]


class Fleet(BaseModel):
    """Every pool, by key."""

    at: datetime
    looked_at: datetime | None
    """The newest look; null before the first."""
    items: tuple[FleetPool, ...]
