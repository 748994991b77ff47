from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from adapters.store.database import Database
from tests.gke_fixtures import local_fleet

__all__ = ["local_fleet"]


@pytest.fixture
async def database(migrated_database_url: str) -> AsyncIterator[Database]:
    opened = Database(migrated_database_url)
    yield opened
    await opened.close()
