"""A migrated database of its own for every test, and a PostgreSQL that a test may kill."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from adapters.store.database import Database
from tests.killable_postgres import KillablePostgres


@pytest.fixture
async def database(migrated_database_url: str) -> AsyncIterator[Database]:
    opened = Database(migrated_database_url)
    yield opened
    await opened.close()


@pytest.fixture
def killable_postgres() -> Iterator[KillablePostgres]:
    with KillablePostgres.started() as server:
        yield server
