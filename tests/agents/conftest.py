"""What the agent reads from: the practice fleet under the viewer's reader, a migrated database, list prices."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from adapters.gke.reader import GkeNodePoolReader
from adapters.store.database import Database
from agents.capacity.tools.tool import Evidence
from tests.gke_fixtures import RunningEmulator, local_fleet
from tests.request_stack import CONFIGURATION, PRICES

__all__ = ["local_fleet"]


@pytest.fixture
async def database(migrated_database_url: str) -> AsyncIterator[Database]:
    opened = Database(migrated_database_url)
    yield opened
    await opened.close()


@pytest.fixture
async def reader(local_fleet: RunningEmulator) -> AsyncIterator[GkeNodePoolReader]:
    opened = GkeNodePoolReader.to_endpoint(local_fleet.address, local_fleet.compute_url)
    yield opened
    await opened.close()


@pytest.fixture
def evidence(reader: GkeNodePoolReader, database: Database) -> Evidence:
    return Evidence(reader, database, CONFIGURATION, PRICES)
