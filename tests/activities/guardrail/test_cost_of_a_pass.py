"""Design §9: a guard pass takes at most six round trips to the database, BEGIN and COMMIT counted, and one commit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from asyncpg.connection import LoggedQuery
from sqlalchemy import event

from contracts.proposal import ProposalState
from tests.activities.guardrail.conftest import Guards


@contextmanager
def round_trips(guards: Guards) -> Iterator[list[str]]:
    """Collect what goes over the wire: statements as SQLAlchemy sends them, the rest from the driver's own log.

    The one-time preparation of each statement on a new connection is not counted.
    """
    seen: list[str] = []

    def logged(record: LoggedQuery) -> None:
        seen.append(record.query.strip())

    def executed(_connection: Any, _cursor: Any, statement: str, *_: object) -> None:
        seen.append(statement.strip())

    def checked_out(dbapi_connection: Any, *_: object) -> None:
        dbapi_connection.driver_connection.add_query_logger(logged)

    def checked_in(dbapi_connection: Any, *_: object) -> None:
        dbapi_connection.driver_connection.remove_query_logger(logged)

    engine = guards.database.engine.sync_engine
    listeners = (
        (engine.pool, "checkout", checked_out),
        (engine.pool, "checkin", checked_in),
        (engine, "before_cursor_execute", executed),
    )
    for listener in listeners:
        event.listen(*listener)
    try:
        yield seen
    finally:
        for listener in listeners:
            event.remove(*listener)


async def test_both_passes_take_at_most_six_round_trips_and_one_commit(guards: Guards) -> None:
    proposal = await guards.propose_in_development()
    with round_trips(guards) as first:
        assert (await guards.check(proposal)).state is ProposalState.READY
    with round_trips(guards) as second:
        assert (await guards.admit(proposal)).admitted
    for queries in (first, second):
        assert 4 < len(queries) <= 6, queries
        assert [query for query in queries if query.startswith("COMMIT")] == ["COMMIT;"]
