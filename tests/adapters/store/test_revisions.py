"""The next revision of a proposal: what may replace it, and when."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import text

from adapters.store import proposals, revisions
from adapters.store.database import Database
from contracts.errors import IllegalTransition
from contracts.proposal import Draft, ProposalState
from tests.adapters.store.samples import stored_proposal
from tests.contracts.samples import BEN

S = ProposalState
SECOND = timedelta(seconds=1)


async def waiting(database: Database, state: S = S.AWAITING_APPROVAL) -> tuple[str, Draft]:
    """Store a proposal in a state; return its id and a next revision of it."""
    made = await stored_proposal(database)
    async with database.transaction() as connection:
        statement = text("update proposals set state = :state where id = :id")
        await connection.execute(statement, {"state": state.value, "id": made.id})
        row = await proposals.lock(connection, made.id)
    return made.id, Draft.model_validate(row.draft).model_copy(update={"revision": 2})


async def revised(database: Database, proposal_id: str, draft: Draft) -> None:
    async with database.transaction() as connection:
        row = await proposals.lock(connection, proposal_id)
        await revisions.revise(connection, row, draft, BEN)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda draft: {"revision": 1},
        lambda draft: {"revision": 3},
        lambda draft: {"id": "prp_other"},
        lambda draft: {"decide_by": draft.decide_by + SECOND},
        lambda draft: {"execute_by": draft.execute_by + SECOND},
    ],
    ids=["the same", "one too far", "of another", "longer to decide", "longer to execute"],
)
async def test_only_the_next_revision_with_no_more_time_replaces_one(
    database: Database, wrong: Callable[[Draft], dict[str, object]]
) -> None:
    proposal_id, draft = await waiting(database)
    with pytest.raises(IllegalTransition):
        await revised(database, proposal_id, draft.model_copy(update=wrong(draft)))
    await revised(database, proposal_id, draft.model_copy(update={"decide_by": draft.decide_by - SECOND}))


@pytest.mark.parametrize("state", [one for one in S if one is not S.AWAITING_APPROVAL])
async def test_what_does_not_wait_is_not_replaced(database: Database, state: S) -> None:
    proposal_id, draft = await waiting(database, state)
    with pytest.raises(IllegalTransition):
        await revised(database, proposal_id, draft)


async def test_what_moved_on_since_it_was_read_is_not_replaced(database: Database) -> None:
    proposal_id, draft = await waiting(database)
    async with database.transaction() as connection:
        row = await proposals.lock(connection, proposal_id)
        await connection.execute(text("update proposals set state = 'ready'"))
    with pytest.raises(IllegalTransition):
        async with database.transaction() as connection:
            await revisions.revise(connection, row, draft, BEN)
