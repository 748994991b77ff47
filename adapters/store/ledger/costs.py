"""Estimate against reality, one row per verified change, and the bias that they show together."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import BigInteger, Numeric, Text, column, text
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import audit_log
from adapters.store.batch import Batch
from adapters.store.driver import query
from adapters.store.schema import action_costs
from adapters.store.writes import inserting
from contracts.action_cost import ActionCost
from contracts.audit import AuditType
from contracts.evaluation import CostEstimate
from contracts.principal import SYSTEM

OVERALL = ""
"""Key of the bias over everything."""

_BIAS = text("""
    SELECT scope, count(*) AS actions,
        sum(estimated_hourly) AS estimated, sum(verified_hourly) AS verified
    FROM action_costs c CROSS JOIN LATERAL unnest(array_append(c.scopes, :overall)) AS scope
    WHERE c.tenant = :tenant AND c.created_at >= :since AND c.estimated_hourly > 0
    GROUP BY scope
""").columns(
    column("scope", Text),
    column("actions", BigInteger),
    column("estimated", Numeric),
    column("verified", Numeric),
)


@dataclass(frozen=True, slots=True)
class Bias:
    """How far estimates were off, over actions that were expected to cost something."""

    actions: int
    estimated: Decimal
    """Sum, money per hour."""
    verified: Decimal

    @property
    def share(self) -> Decimal:
        """Sum of what it cost, divided by the sum of what was estimated, minus 1. Rounded to 0.0001."""
        return (self.verified / self.estimated - 1).quantize(Decimal("0.0001"))


@dataclass(frozen=True, slots=True)
class Known:
    """What was reckoned of a change."""

    estimate: CostEstimate | None
    """The cost that the last guard pass showed; None when it knew none."""
    is_recorded: bool
    """What it came to is on record already."""


_KNOWN = query("""
    SELECT (
        SELECT document -> 'cost' FROM evaluations WHERE proposal_id = :proposal_id
        ORDER BY revision DESC, pass_number DESC LIMIT 1
    ) AS estimate, EXISTS (SELECT FROM action_costs WHERE proposal_id = :proposal_id) AS is_recorded""")


async def known_of(connection: AsyncConnection, proposal_id: str) -> Known:
    """Return what was reckoned of a proposal, which the caller has locked."""
    found = await _KNOWN.only_row(connection, {"proposal_id": proposal_id})
    estimate = None if found.estimate is None else CostEstimate.model_validate(found.estimate)
    return Known(estimate, found.is_recorded)


def add_record(batch: Batch, cost: ActionCost) -> None:
    """Add what a change cost, and its audit event. Once per proposal: the first record stands."""
    row = cost.model_dump(exclude={"schema_version", "at"})
    batch.add(inserting(action_costs, {**row, "scopes": list(cost.scopes), "created_at": cost.at}))
    batch.audit(
        audit_log.event(
            AuditType.COST_RECORDED,
            tenant=cost.tenant,
            subject=cost.proposal_id,
            actor=SYSTEM,
            payload=cost,
            at=cost.at,
        )
    )


async def biases(connection: AsyncConnection, tenant: str, since: datetime) -> dict[str, Bias]:
    """Return the bias per budget key, and over everything under `OVERALL`, of changes verified since a moment."""
    asked = {"tenant": tenant, "since": since, "overall": OVERALL}
    rows = await connection.execute(_BIAS, asked)
    return {row.scope: Bias(row.actions, row.estimated, row.verified) for row in rows.all()}
