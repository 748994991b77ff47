"""Shapes of one change for a reviewer: before and after, how far it reaches, what it costs. Money is decimal text."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

from api.proposals.bodies import View
from contracts.evaluation import RiskTier
from contracts.money import PriceKind
from contracts.observation import Accelerator, AutoscalingBounds


class Before(View):
    """The target as the provider reported it."""

    zones: dict[str, int]
    """Zone → target size."""
    running: dict[str, int]
    total: int
    machine_type: str
    accelerators: tuple[Accelerator, ...]
    spot: bool
    autoscaling: AutoscalingBounds | None
    status: str
    observed_at: datetime


class After(View):
    """The target as it would be."""

    zones: dict[str, int] | None = None
    """Zone → target size; None where an autoscaler decides, or the zones are not known yet."""
    total: int | None = None
    node_count: int | None = None
    """Per zone, as asked."""
    min_node_count: int | None = None
    max_node_count: int | None = None


class BlastRadius(View):
    """How much would change. For autoscaling bounds, nodes are counted at the upper bound."""

    nodes_before: int
    nodes_after: int
    node_delta: int
    share_of_pool: float
    """Absolute change over the pool's size; an empty pool counts as one node per zone."""
    share_of_cluster: float | None
    reversible: bool
    why_not_reversible: str = ""


class Risk(View):
    """How much a wrong change would hurt (`guardrails/risk.py`)."""

    tier: RiskTier
    reasons: tuple[str, ...]
    """In plain sentences, worst first."""


class BudgetEffect(View):
    """One budget this counts against."""

    scope: str
    window: str
    currency: str
    limit: Decimal
    reserved: Decimal
    committed: Decimal
    amount: Decimal
    left_after: Decimal
    share: float | None = None
    """`amount` over `limit`; None for a limit of zero."""


class Cost(View):
    """Cost of the change at list prices, as a difference."""

    currency: str
    monthly_delta: Decimal
    node_delta: int
    machine_type: str
    price_per_node_hour: Decimal
    price_source: str
    price_kind: PriceKind | None = None
    price_as_of: date
    is_stale: bool
    monthly_before: Decimal | None = None
    """What the nodes counted in `blast_radius` cost per month, before and after; None without an observation."""
    monthly_after: Decimal | None = None
    budgets: tuple[BudgetEffect, ...]
