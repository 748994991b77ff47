"""What a change cost in the end, beside what it was expected to cost: kept once it is verified."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

from contracts.base import Contract
from contracts.money import Money


class ActionCost(Contract):
    """Estimate and reality of one proposal, at the price of its last guard pass. Money in `currency`."""

    schema_version: Literal[1] = 1
    proposal_id: str
    tenant: str
    scopes: tuple[str, ...]
    """Key of every budget that covers it, for example `environment=production`."""
    currency: str
    price_per_node_hour: Money
    price_source: str
    price_as_of: date
    estimated_nodes: int
    """Nodes gained, as expected; negative when the pool shrinks."""
    verified_nodes: int
    """Nodes gained, as the provider's answer after the effect says."""
    estimated_hourly: Money
    verified_hourly: Money
    estimated_monthly: Money
    verified_monthly: Money
    at: datetime
