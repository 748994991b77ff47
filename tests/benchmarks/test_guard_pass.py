"""The bare round trips hold what every pass waits for: a commit that PostgreSQL has put on disk."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import asyncpg

from adapters.store.database import Database
from benchmarks.guard_pass import bare_round_trips


class Opa:
    """Answers at once."""

    def get(self, _: str) -> Any:
        return self

    async def __aenter__(self) -> Any:
        return SimpleNamespace(read=self._read)

    async def __aexit__(self, *_: object) -> None: ...

    async def _read(self) -> bytes:
        return b""


async def test_bare_round_trips_end_with_a_durable_commit(database_url: str) -> None:
    database = Database(database_url)
    looking = await asyncpg.connect(database_url.replace("+asyncpg", "", 1))
    begun = await looking.fetchval("SELECT pg_current_wal_insert_lsn()::text")
    await bare_round_trips(database, Opa())  # type: ignore[arg-type]
    # What has no durable commit is flushed later, by a process of the server.
    assert await looking.fetchval(f"SELECT pg_current_wal_flush_lsn() > '{begun}'")
    await looking.close()
    await database.close()
