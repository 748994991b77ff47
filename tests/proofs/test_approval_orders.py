"""A few orders of the proof, on real parts."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from adapters.store.database import Database
from proofs.approval_orders import prove, sample
from tests.gke_fixtures import RunningEmulator
from tests.gke_fixtures import local_fleet as local_fleet
from tests.proposal_stack import ProposalStack, proposal_stack

FEW = 20


@pytest.fixture
async def stack(
    temporal_address: str, migrated_database_url: str, local_fleet: RunningEmulator
) -> AsyncIterator[ProposalStack]:
    database = Database(migrated_database_url)
    async with proposal_stack(temporal_address, database, local_fleet) as ready:
        yield ready
    await database.close()


async def test_a_few_orders_end_on_real_parts_as_the_model_says(stack: ProposalStack) -> None:
    async with stack.working():
        judged = await prove(stack, sample(FEW))
    assert judged.faults == []
    assert judged.right == judged.ends.total() == FEW
