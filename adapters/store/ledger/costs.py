"""Estimate against reality, one row per verified change, and the bias that they show together."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import BigInteger, Numeric, Text, column, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import audit_log
from adapters.store.batch import Batch
from adapters.store.schema import action_costs, evaluations
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


async def estimate_of(connection: AsyncConnection, proposal_id: str) -> CostEstimate | None:
    """Return the cost that the last guard pass over a proposal showed, or None when it knew none."""
    found = await connection.execute(
        select(evaluations.c.document["cost"])
        .where(evaluations.c.proposal_id == proposal_id)
        .order_by(evaluations.c.revision.desc(), evaluations.c.pass_number.desc())
        .limit(1)
    )
    document = found.scalar_one_or_none()
    return None if document is None else CostEstimate.model_validate(document)


async def record(connection: AsyncConnection, cost: ActionCost) -> None:
    """Keep what a change cost, with its audit event. The first record of a proposal stands."""
    row = cost.model_dump(exclude={"schema_version", "at"})
    statement = insert(action_costs).values(**{**row, "scopes": list(cost.scopes), "created_at": cost.at})
    kept = await connection.execute(statement.on_conflict_do_nothing().returning(action_costs.c.proposal_id))
    if kept.one_or_none() is None:
        return
    batch = Batch()
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
    await batch.send(connection)


async def biases(connection: AsyncConnection, tenant: str, since: datetime) -> dict[str, Bias]:
    """Return the bias per budget key, and over everything under `OVERALL`, of changes verified since a moment."""
    asked = {"tenant": tenant, "since": since, "overall": OVERALL}
    rows = await connection.execute(_BIAS, asked)
    return {row.scope: Bias(row.actions, row.estimated, row.verified) for row in rows.all()}
