"""Budgets as people see them: the sums of some windows, read without locking anything."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store.ledger import WindowKey
from adapters.store.schema import budget_windows


async def sums(
    connection: AsyncConnection, tenant: str, keys: Sequence[WindowKey]
) -> dict[WindowKey, tuple[Decimal, Decimal]]:
    """Return reserved and committed of each window; zero where nothing was ever posted."""
    found = dict.fromkeys(keys, (Decimal(0), Decimal(0)))
    if keys:
        rows = await connection.execute(
            select(budget_windows).where(
                budget_windows.c.tenant == tenant,
                func.row(budget_windows.c.scope, budget_windows.c.window).in_(list(keys)),
            )
        )
        found |= {(row.scope, row.window): (row.reserved, row.committed) for row in rows.all()}
    return found
