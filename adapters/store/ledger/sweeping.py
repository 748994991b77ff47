"""Against reservations that nobody will settle any more: what is over and still holds money gives it back.

A request whose workflow was terminated never gets over by itself: one that holds money for longer than any planner
takes is closed as failed.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Interval, Text, TextualSelect, bindparam, column, text

from adapters.store import proposals, requests
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
        AND max(e.created_at) <= clock_timestamp() - :rest
    ORDER BY 1
"""


def _left_behind(subject: str, table: str, state: str) -> TextualSelect:
    statement = text(_OPEN.format(subject=subject, table=table, state=state))
    return statement.bindparams(bindparam("rest", type_=Interval)).columns(
        column("id", Text), column("tenant", Text)
    )


_OF_PROPOSALS = _left_behind("proposal_id", "proposals", "state")
_OF_REQUESTS = _left_behind("request_id", "requests", "status")

SETTLED_STATES = tuple(
    state.value for state in ProposalState if state.is_final and state is not ProposalState.DIRTY
)
"""States in which nothing may be reserved. A `dirty` proposal keeps its reservation for a person to resolve."""
_CLOSED = tuple(status.value for status in RequestStatus if status.is_final)
_OPEN_REQUESTS = tuple(status.value for status in RequestStatus if not status.is_final)
ABANDONED_AFTER = timedelta(hours=6)
"""Since a request's money was reserved. A planner has a bounded number of steps and is done within the hour."""
_AT_ONCE = timedelta(0)
_NO_PLANNER = "agent_failed"


async def sweep_reservations(database: Database, *, abandoned_after: timedelta = ABANDONED_AFTER) -> int:
    """Release what closed proposals and requests still have reserved; return how many had something.

    A request that is open and has held money for `abandoned_after` is closed before. Safe to repeat and to run beside
    itself: each is locked, and looked at again, in a transaction of its own.
    """
    async with database.reading() as connection:
        over = (await connection.execute(_OF_PROPOSALS, _over(SETTLED_STATES))).all()
        asked = (await connection.execute(_OF_REQUESTS, _over(_CLOSED))).all()
        left = _over(_OPEN_REQUESTS, abandoned_after)
        abandoned = (await connection.execute(_OF_REQUESTS, left)).all()
    released = 0
    for row in over:
        async with database.transaction() as connection:
            locked = await proposals.lock(connection, row.id)
            if locked.state in SETTLED_STATES:
                released += await release_all(connection, row.id)
    for row in abandoned:
        await _close(database, row.id)
    for row in (*asked, *abandoned):
        async with database.transaction() as connection:
            released += await release_model_spend(connection, row.tenant, row.id)
    return released


def _over(states: tuple[str, ...], rest: timedelta = _AT_ONCE) -> dict[str, object]:
    return {"over": list(states), "rest": rest}


async def _close(database: Database, request_id: str) -> None:
    """Give a request that nobody plans any more its one outcome, unless it got one meanwhile."""
    text = "The request could not be planned. Nothing was proposed."
    async with database.transaction() as connection:
        await requests.close(connection, request_id, RequestStatus.FAILED, text, _NO_PLANNER)
