"""The proposal stack for tests of the whole workflow."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from adapters.store.database import Database
from tests.gke_fixtures import RunningEmulator
from tests.gke_fixtures import local_fleet as local_fleet
from tests.proposal_stack import ProposalStack, proposal_stack


@pytest.fixture
async def database(migrated_database_url: str) -> AsyncIterator[Database]:
    opened = Database(migrated_database_url)
    yield opened
    await opened.close()


@pytest.fixture
async def stack(
    temporal_address: str, database: Database, local_fleet: RunningEmulator
) -> AsyncIterator[ProposalStack]:
    async with proposal_stack(temporal_address, database, local_fleet) as ready:
        yield ready
