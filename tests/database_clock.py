"""A test's own database whose clock is wrong, while that of every process is right."""

from __future__ import annotations

from datetime import timedelta

import asyncpg

_WRONG = """
    CREATE OR REPLACE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE
    AS $$ SELECT pg_catalog.clock_timestamp() + interval '{seconds} seconds' $$"""


async def set_clock(url: str, by: timedelta) -> None:
    """Put the clock of the database at `url` so far ahead, for new connections and those opened since a first call."""
    connection = await asyncpg.connect(url.replace("+asyncpg", "", 1))
    try:
        await connection.execute(_WRONG.format(seconds=by.total_seconds()))
        name = await connection.fetchval("SELECT quote_ident(current_database())")
        # A name without its schema means what is found first: ours.
        await connection.execute(f"ALTER DATABASE {name} SET search_path = public, pg_catalog")
    finally:
        await connection.close()
