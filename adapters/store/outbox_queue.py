"""The outbox, delivering side: rows are claimed for a while, never locked while somebody calls the outside.

A claim counts an attempt and pushes `due_at` ahead by a lease, in a short transaction of its own. Whoever dies after
it leaves a row that is due again when the lease ends: delivery is at least once. A row is open while `done_at` is
null; one that was given up has both `done_at` and `last_error`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import JsonValue
from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import outbox as writing
from adapters.store.driver import query
from adapters.store.outbox import OutboxKind
from adapters.store.schema import outbox


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """One claimed row."""

    id: int
    kind: OutboxKind
    subject: str
    payload: Mapping[str, JsonValue]
    trace_context: Mapping[str, str]
    attempts: int
    """Attempts so far, this one included."""
    created_at: datetime


# The clock is asked once, and not for each row: only then does the index end where nothing more is due. What is due is
# found once as well: as a subquery, asked again for each row, it would pass over what is claimed by now and take more.
_CLAIM = query("""
    WITH due AS MATERIALIZED (
        SELECT id FROM outbox
        WHERE done_at IS NULL AND due_at <= (SELECT clock_timestamp()) AND kind = ANY(CAST(:kinds AS text[]))
        ORDER BY due_at, id LIMIT CAST(:limit AS bigint) FOR UPDATE SKIP LOCKED
    )
    UPDATE outbox SET attempts = attempts + 1, due_at = clock_timestamp() + CAST(:lease AS interval)
    FROM due WHERE outbox.id = due.id
    RETURNING outbox.*""")


async def claim(
    connection: AsyncConnection, kinds: Collection[OutboxKind], *, limit: int, lease: timedelta
) -> list[OutboxRow]:
    """Claim up to `limit` due rows, oldest due first. Rows that another dispatcher claims right now are passed over."""
    given = {"kinds": [kind.value for kind in kinds], "limit": limit, "lease": lease}
    rows = [
        OutboxRow(
            row.id,
            OutboxKind(row.kind),
            row.subject,
            row.payload,
            row.trace_context,
            row.attempts,
            row.created_at,
        )
        for row in await _CLAIM.rows(connection, given)
    ]
    return sorted(rows, key=lambda row: row.id)


async def postpone(connection: AsyncConnection, row_id: int, delay: timedelta, error: str) -> None:
    """Make an open row due again after `delay`. `error` is a reason code, never a message."""
    await connection.execute(
        update(outbox)
        .where(outbox.c.id == row_id, outbox.c.done_at.is_(None))
        .values(due_at=func.clock_timestamp() + delay, last_error=error)
    )


async def give_up(connection: AsyncConnection, row_id: int, error: str) -> None:
    """Close an open row as failed."""
    await connection.execute(
        update(outbox)
        .where(outbox.c.id == row_id, outbox.c.done_at.is_(None))
        .values(done_at=func.clock_timestamp(), last_error=error)
    )


async def split(
    connection: AsyncConnection, row: OutboxRow, parts: Sequence[Mapping[str, JsonValue]]
) -> None:
    """Replace an open row by one row per part, each delivered on its own. A second call changes nothing."""
    held = await connection.execute(
        select(outbox.c.id).where(outbox.c.id == row.id, outbox.c.done_at.is_(None)).with_for_update()
    )
    if held.one_or_none() is None:
        return
    for part in parts:
        await writing.put(connection, row.kind, row.subject, part)
    await writing.settle(connection, row.id)


async def forget_done(connection: AsyncConnection, keep: timedelta) -> int:
    """Delete rows that were delivered or given up longer than `keep` ago; return how many."""
    gone = await connection.execute(delete(outbox).where(outbox.c.done_at < func.clock_timestamp() - keep))
    return gone.rowcount
