"""Against reservations that nobody will settle any more: what is over and still holds money gives it back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Interval, Row, Text, TextualSelect, bindparam, column, text

from adapters.store import proposals
from adapters.store.database import Database
from adapters.store.ledger.changes import release_all
from adapters.store.ledger.models import release_model_spend
from contracts.proposal import ProposalState
from contracts.request import RequestStatus

SETTLED_STATES = tuple(
    state.value for state in ProposalState if state.is_final and state is not ProposalState.DIRTY
)
"""States in which nothing may be reserved. A `dirty` proposal keeps its reservation for a person to resolve."""
_HOLDING_STATES = tuple(state.value for state in ProposalState if state.value not in SETTLED_STATES)
_CLOSED = tuple(status.value for status in RequestStatus if status.is_final)
_OPEN_REQUESTS = tuple(status.value for status in RequestStatus if not status.is_final)
PLANNED_WITHIN = timedelta(hours=6)
"""What a request and its money are left alone for. A planner's steps are bounded: it is done within the hour."""

_SIGNED = "e.amount * ((e.credit = 'reserved')::int - (e.debit = 'reserved')::int)"
# Looked up for each (OFFSET 0 keeps PostgreSQL from joining): what is open is little, the ledger is all there ever was.
_ENTRIES = "CROSS JOIN LATERAL (SELECT * FROM ledger_entries WHERE {mine} OFFSET 0) e"
_OF_PROPOSALS = f"FROM proposals s {_ENTRIES.format(mine='proposal_id = s.id')} WHERE s.state"
_OF_REQUESTS = (
    f"FROM requests s {_ENTRIES.format(mine='proposal_id IS NULL AND request_id = s.id')} WHERE s.status"
)


def _among(values: Iterable[str]) -> str:
    """Return constants, not parameters: what is open is seldom, which PostgreSQL knows of each value it is told."""
    return "IN (" + ", ".join(f"'{one}'" for one in values) + ")"


_IS_HELD_TOO_MUCH = text(f"""
    SELECT EXISTS (
        SELECT FROM budget_windows w LEFT JOIN (
            SELECT tenant, scope, "window", sum(signed) AS reserved FROM (
                SELECT e.tenant, e.scope, e."window", {_SIGNED} AS signed {_OF_PROPOSALS} {_among(_HOLDING_STATES)}
                UNION ALL
                SELECT e.tenant, e.scope, e."window", {_SIGNED} {_OF_REQUESTS} {_among(_OPEN_REQUESTS)}
            ) open GROUP BY tenant, scope, "window"
        ) known USING (tenant, scope, "window")
        WHERE w.reserved > coalesce(known.reserved, 0))""")  # noqa: S608  made of the constants above
"""Whether a window holds more than what is open has reserved there. Asks for what is open, however much is over."""

_STILL_RESERVED = """
    SELECT s.id, s.tenant {of} {states} {older}
    GROUP BY s.id, s.tenant HAVING sum({signed}) > 0 {rested}
    ORDER BY 1"""


def _left_behind(of: str, states: Iterable[str], *, older: str = "", rested: str = "") -> TextualSelect:
    told = {"states": _among(states), "signed": _SIGNED, "older": older, "rested": rested}
    return text(_STILL_RESERVED.format(of=of, **told)).columns(column("id", Text), column("tenant", Text))


_BY_PROPOSALS = _left_behind(_OF_PROPOSALS, SETTLED_STATES)
_BY_REQUESTS = _left_behind(
    _OF_REQUESTS,
    _CLOSED,
    older="AND s.created_at <= clock_timestamp() - :rest",
    rested="AND max(e.created_at) <= clock_timestamp() - :rest",
).bindparams(bindparam("rest", type_=Interval))


async def sweep_reservations(database: Database, *, planned_within: timedelta = PLANNED_WITHIN) -> int:
    """Release what closed proposals and requests still have reserved; return how many had something.

    A request keeps what it holds for `planned_within`, although it was closed meanwhile: its planner may be at work,
    and tells what it has cost. Safe to repeat and to run beside itself: each is locked, and looked at again, in a
    transaction of its own.
    """
    over: Sequence[Row[Any]] = ()
    asked: Sequence[Row[Any]] = ()
    async with database.reading() as connection:
        if (await connection.execute(_IS_HELD_TOO_MUCH)).scalar_one():
            over = (await connection.execute(_BY_PROPOSALS)).all()
            asked = (await connection.execute(_BY_REQUESTS, {"rest": planned_within})).all()
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
