"""A few orders of the proof, on real parts, and planted bugs that it has to see."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from sqlalchemy import func, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import cancellation
from adapters.store.database import Database
from adapters.store.schema import proposals
from proofs.approval_orders import Order, prove, sample
from tests.contracts.ballots import Happening
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


WITHDRAWN: Order = (Happening.APPROVE, Happening.CANCEL)


async def lost(*_: object) -> None:
    """A planted bug: a cancellation is taken, and nothing comes of it."""


async def untold(connection: AsyncConnection, proposal_id: str, *_: object) -> None:
    """Another: it is made, and the audit log is not told."""
    cancelled = {"state": "cancelled", "closed_at": func.clock_timestamp()}
    await connection.execute(update(proposals).where(proposals.c.id == proposal_id).values(cancelled))


@pytest.mark.parametrize(
    ("bug", "fault"),
    [
        (lost, "approve cancel: expired instead of cancelled"),
        (untold, "approve cancel: the audit events rebuild awaiting_approval"),
    ],
    ids=["lost", "untold"],
)
async def test_a_planted_bug_is_found_with_the_order_that_shows_it(
    stack: ProposalStack, monkeypatch: pytest.MonkeyPatch, bug: Callable[..., Awaitable[None]], fault: str
) -> None:
    monkeypatch.setattr(cancellation, "cancel", bug)
    async with stack.working():
        judged = await prove(stack, [WITHDRAWN])
    assert judged.faults == [fault]
