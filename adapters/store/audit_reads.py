"""AUDIT, reading side for people: pages of numbered events, and how much is not numbered yet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ARRAY, Text, any_, func, literal, select
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store.schema import audit_checkpoints, audit_events


async def page(
    connection: AsyncConnection, tenant: str | None, *, after: int, subject: str | None, limit: int
) -> Sequence[Row[Any, Any, Any]]:
    """Return up to `limit` rows (number, leaf, leaf_hash) above `after`, in the order of the tree.

    `tenant=None` reads all of them: only the export does, since the tree is one.
    """
    wanted = (
        select(audit_events.c.number, audit_events.c.leaf, audit_events.c.leaf_hash)
        .where(audit_events.c.number > after)
        .order_by(audit_events.c.number)
        .limit(limit)
    )
    if tenant is not None:
        wanted = wanted.where(audit_events.c.tenant == tenant)
    if subject is not None:
        wanted = wanted.where(audit_events.c.subject == subject)
    return (await connection.execute(wanted)).all()


async def notes(connection: AsyncConnection, size: int) -> list[tuple[int, str]]:
    """Return size and note of every stored checkpoint up to `size`, by rising size."""
    wanted = (
        select(audit_checkpoints.c.size, audit_checkpoints.c.note)
        .where(audit_checkpoints.c.size <= size)
        .order_by(audit_checkpoints.c.size)
    )
    return [(row.size, row.note) for row in (await connection.execute(wanted)).all()]


async def unnumbered(connection: AsyncConnection) -> int:
    """Return how many events are committed and have no number yet."""
    waiting = select(func.count()).where(audit_events.c.number.is_(None))
    return int((await connection.execute(waiting)).scalar_one())


async def highest(connection: AsyncConnection) -> int:
    """Return the highest number there is; -1 while nothing is numbered."""
    found = (await connection.execute(select(func.max(audit_events.c.number)))).scalar_one()
    return -1 if found is None else int(found)


async def leaves(
    connection: AsyncConnection, tenant: str, types: Sequence[str], *, after: int, limit: int
) -> Sequence[Row[int, bytes]]:
    """Return up to `limit` rows (number, leaf) of these types above `after`, by rising number."""
    wanted = (
        select(audit_events.c.number, audit_events.c.leaf)
        .where(
            audit_events.c.number > after,
            audit_events.c.tenant == tenant,
            audit_events.c.type == any_(literal(list(types), ARRAY(Text))),
        )
        .order_by(audit_events.c.number)
        .limit(limit)
    )
    return (await connection.execute(wanted)).all()
