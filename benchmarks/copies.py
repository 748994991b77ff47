"""Many proposals by copying rows: what real ones left behind, under new ids and longer ago.

No workflow stands behind a copy, it is too old for any rate to count it, and no lease or breaker knows it.
"""

from __future__ import annotations

import os

import asyncpg

OF_PROPOSALS = ("evaluations", "decisions", "intents", "action_costs", "ledger_entries", "rate_uses")
"""Tables that are copied with a proposal."""
_KEYS = ("id", "proposal_id", "key")
"""Columns that get the copy's number, where they are text."""
_COLUMNS = """
    SELECT column_name, data_type FROM information_schema.columns
    WHERE table_schema = 'public' AND table_name = $1 AND is_identity = 'NO' AND is_generated = 'NEVER'
    ORDER BY ordinal_position"""
_LONGER_AGO = ("created_at", "state_since", "closed_at", "settled_at", "used_at")


async def copy_closed(pool: asyncpg.Pool, count: int) -> None:
    """Copy proposals that succeeded, with what belongs to them, until so many are closed."""
    await _copy(pool, "closed_at IS NOT NULL AND state = 'succeeded'", count, OF_PROPOSALS)


async def copy_waiting(pool: asyncpg.Pool, count: int) -> None:
    """Copy proposals that wait for a person, until so many do."""
    await _copy(pool, "state = 'awaiting_approval'", count, ("evaluations",))


async def _copy(pool: asyncpg.Pool, which: str, wanted: int, beside: tuple[str, ...]) -> None:
    there = await pool.fetchval(f"SELECT count(*) FROM proposals WHERE {which}")  # noqa: S608  a constant
    if there == 0:
        raise ValueError("there is nothing to copy")
    originals = [
        row["id"]
        for row in await pool.fetch(
            f"SELECT id FROM proposals WHERE {which} AND id NOT LIKE '%-c%' ORDER BY id LIMIT 100"  # noqa: S608
        )
    ]
    copies = -(-max(0, wanted - there) // len(originals))
    if copies == 0:
        return
    run = f"c{os.urandom(4).hex()}"
    async with pool.acquire() as connection, connection.transaction():
        for table, key in (("proposals", "id"), *((name, "proposal_id") for name in beside)):
            await _copy_rows(connection, table, key, originals, copies, run)
    await pool.execute("ANALYZE")


async def _copy_rows(
    connection: asyncpg.Connection, table: str, key: str, originals: list[str], copies: int, run: str
) -> None:
    columns = await connection.fetch(_COLUMNS, table)
    names = ", ".join(f'"{one["column_name"]}"' for one in columns)
    values = ", ".join(_value(one["column_name"], one["data_type"]) for one in columns)
    await connection.execute(
        f'INSERT INTO "{table}" ({names}) SELECT {values} FROM "{table}" AS original,'  # noqa: S608  the catalogue's
        f" generate_series(1, $2::int) AS copy WHERE original.{key} = ANY($1::text[]) AND $3::text <> ''",
        originals,
        copies,
        run,
    )


def _value(name: str, kind: str) -> str:
    if name in _KEYS and kind == "text":
        return f"original.\"{name}\" || '-' || $3::text || '.' || copy"
    if name in _LONGER_AGO:
        return f"original.\"{name}\" - interval '30 days'"
    return f'original."{name}"'
