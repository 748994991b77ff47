"""AUDIT, reading side for people: pages of numbered events, and how much is not numbered yet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store.schema import audit_events


async def page(
    connection: AsyncConnection, tenant: str, *, after: int, subject: str | None, limit: int
) -> Sequence[Row[Any, Any, Any]]:
    """Return up to `limit` rows (number, leaf, leaf_hash) above `after`, in the order of the tree."""
    wanted = (
        select(audit_events.c.number, audit_events.c.leaf, audit_events.c.leaf_hash)
        .where(audit_events.c.number > after, audit_events.c.tenant == tenant)
        .order_by(audit_events.c.number)
        .limit(limit)
    )
    if subject is not None:
        wanted = wanted.where(audit_events.c.subject == subject)
    return (await connection.execute(wanted)).all()


async def counts(connection: AsyncConnection) -> tuple[int, int]:
    """Return how many events have a number, and how many do not yet."""
    highest = await connection.execute(select(func.coalesce(func.max(audit_events.c.number) + 1, 0)))
    waiting = await connection.execute(select(func.count()).where(audit_events.c.number.is_(None)))
    return int(highest.scalar_one()), int(waiting.scalar_one())
