"""What goes over the wire to PostgreSQL, statement by statement: each is a round trip, BEGIN and COMMIT too."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from asyncpg.connection import LoggedQuery
from sqlalchemy import event

from adapters.store.database import Database


@contextmanager
def round_trips(database: Database) -> Iterator[list[str]]:
    """Collect what goes over the wire: statements as SQLAlchemy sends them, the rest from the driver's own log.

    What a new connection costs once is not counted: the preparation of each statement, and the driver's question what
    an array of some type is.
    """
    seen: list[str] = []

    def logged(record: LoggedQuery) -> None:
        if "typeinfo_tree" not in record.query:
            seen.append(record.query.strip())

    def executed(_connection: Any, _cursor: Any, statement: str, *_: object) -> None:
        seen.append(statement.strip())

    def checked_out(dbapi_connection: Any, *_: object) -> None:
        dbapi_connection.driver_connection.add_query_logger(logged)

    def checked_in(dbapi_connection: Any, *_: object) -> None:
        dbapi_connection.driver_connection.remove_query_logger(logged)

    engine = database.engine.sync_engine
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
