"""Against reservations that nobody will settle any more: what is over and still holds money gives it back."""

from __future__ import annotations

from sqlalchemy import Text, TextualSelect, column, text

from adapters.store import proposals
from adapters.store.database import Database
from adapters.store.ledger.changes import release_all
from adapters.store.ledger.models import release_model_spend
from contracts.proposal import ProposalState
from contracts.request import RequestStatus

_OPEN = """
    SELECT e.{subject} AS id, s.tenant
    FROM budget_windows w
    JOIN ledger_entries e USING (tenant, scope, "window")
    JOIN {table} s ON s.id = e.{subject}
    WHERE w.reserved > 0 AND s.{state} = ANY (:over)
    GROUP BY e.{subject}, s.tenant
    HAVING sum(e.amount * ((e.credit = 'reserved')::int - (e.debit = 'reserved')::int)) > 0
    ORDER BY 1
"""


def _left_behind(subject: str, table: str, state: str) -> TextualSelect:
    statement = text(_OPEN.format(subject=subject, table=table, state=state))
    return statement.columns(column("id", Text), column("tenant", Text))


_OF_PROPOSALS = _left_behind("proposal_id", "proposals", "state")
_OF_REQUESTS = _left_behind("request_id", "requests", "status")

SETTLED_STATES = tuple(
    state.value for state in ProposalState if state.is_final and state is not ProposalState.DIRTY
)
"""States in which nothing may be reserved. A `dirty` proposal keeps its reservation for a person to resolve."""
_CLOSED = tuple(status.value for status in RequestStatus if status.is_final)


async def sweep_reservations(database: Database) -> int:
    """Release what closed proposals and requests still have reserved; return how many had something.

    Safe to repeat and to run beside itself: each is locked, and looked at again, in a transaction of its own.
    """
    async with database.reading() as connection:
        over = (await connection.execute(_OF_PROPOSALS, {"over": list(SETTLED_STATES)})).all()
        asked = (await connection.execute(_OF_REQUESTS, {"over": list(_CLOSED)})).all()
    released = 0
    for row in over:
        async with database.transaction() as connection:
            locked = await proposals.lock(connection, row.id)
            if locked.state in SETTLED_STATES:
                released += await release_all(connection, row.id)
    for row in asked:
        async with database.transaction() as connection:
            released += await release_model_spend(connection, row.tenant, row.id)
    return released
