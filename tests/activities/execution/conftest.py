"""EXECUTION on real parts: PostgreSQL and the practice fleet; activities are run as a worker runs them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from adapters.store.database import Database
from tests.gke_fixtures import RunningEmulator
from tests.gke_fixtures import local_fleet as local_fleet
from tests.proposal_stack import HASTY, EffectStack, effect_stack


@pytest.fixture
async def stack(migrated_database_url: str, local_fleet: RunningEmulator) -> AsyncIterator[EffectStack]:
    database = Database(migrated_database_url)
    async with effect_stack(database, local_fleet) as ready:
        ready.timings = HASTY
        yield ready
    await database.close()
