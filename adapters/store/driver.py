"""Hot statements and transactions past SQLAlchemy: its layers take longer over one row than PostgreSQL itself.

For the statements of a proposal's path, whose text is constant and made for the driver (`$1`, `$2` …), and for the
BEGIN and COMMIT of every transaction. Connections and their pool stay SQLAlchemy's.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

import asyncpg
from sqlalchemy import ClauseElement, bindparam, make_url, text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.types import TypeEngine

_DIALECT = make_url("postgresql+asyncpg://").get_dialect()()


class Record(asyncpg.Record):  # type: ignore[misc]  # asyncpg carries no types
    """One row. A column is read as `row.name`, as with SQLAlchemy, or as `row["name"]`; `jsonb` comes read."""

    def __getattr__(self, name: str) -> Any:
        """Return the value of a column."""
        try:
            return self[name]
        except KeyError as error:
            raise AttributeError(name) from error


class _Transaction(Protocol):
    async def start(self) -> None: ...

    async def commit(self) -> None: ...

    async def rollback(self) -> None: ...


class Driver(Protocol):
    """What is used of an asyncpg connection."""

    def is_in_transaction(self) -> bool:
        """Tell whether BEGIN was sent."""
        ...

    def is_closed(self) -> bool:
        """Tell whether nothing can be asked any more."""
        ...

    def terminate(self) -> None:
        """Close it at once, without a word to the server."""
        ...

    def transaction(self, *, isolation: str, readonly: bool) -> _Transaction:
        """Return a transaction to start."""
        ...

    async def fetch(self, query: str, *values: object, record_class: type[Record]) -> list[Record]:
        """Return every row."""
        ...

    async def fetchrow(self, query: str, *values: object, record_class: type[Record]) -> Record | None:
        """Return the first row."""
        ...


@dataclass(frozen=True, slots=True)
class Query:
    """A constant statement as the driver takes it."""

    sql: str
    names: tuple[str, ...]
    """Parameters in the order of their numbers."""
    constants: Mapping[str, object] = field(default_factory=dict)
    """Values of parameters that nobody gives."""

    async def first_row(self, connection: AsyncConnection, parameters: Mapping[str, object]) -> Record | None:
        """Return the first row, or None.

        Raises:
            asyncpg.PostgresError, asyncpg.InterfaceError: bare; `Database` makes them ours.
        """
        return await first_row(connection, self.sql, self._values(parameters))

    async def only_row(self, connection: AsyncConnection, parameters: Mapping[str, object]) -> Record:
        """Return the one row of a query that always has one.

        Raises:
            asyncpg.PostgresError, asyncpg.InterfaceError: bare; `Database` makes them ours.
        """
        return await only_row(connection, self.sql, self._values(parameters))

    async def rows(self, connection: AsyncConnection, parameters: Mapping[str, object]) -> Sequence[Record]:
        """Return every row.

        Raises:
            asyncpg.PostgresError, asyncpg.InterfaceError: bare; `Database` makes them ours.
        """
        return await driver_of(connection).fetch(self.sql, *self._values(parameters), record_class=Record)

    def _values(self, parameters: Mapping[str, object]) -> list[object]:
        return [parameters[name] if name in parameters else self.constants[name] for name in self.names]


def fixed(statement: ClauseElement) -> Query:
    """Return a statement of SQLAlchemy as the driver takes it, compiled once. What varies is a `bindparam`.

    A parameter of type `jsonb` is given as text. Lists travel as arrays (`= ANY`): `IN` has no constant text.
    """
    compiled = cast("SQLCompiler", statement.compile(dialect=_DIALECT))
    said = {name: bind.value for name, bind in compiled.binds.items() if not bind.required}
    return Query(str(compiled), tuple(compiled.positiontup or ()), said)


def query(sql: str, types: Mapping[str, TypeEngine[Any]] | None = None) -> Query:
    """Return a statement with `:name` for each parameter; `types` of those that PostgreSQL cannot tell by itself."""
    typed = [bindparam(name, type_=kind) for name, kind in (types or {}).items()]
    compiled = text(sql).bindparams(*typed).compile(dialect=_DIALECT)
    return Query(str(compiled), tuple(compiled.positiontup or ()))


async def only_row(connection: AsyncConnection, sql: str, values: Sequence[object]) -> Record:
    """Return the one row of a query that always has one, in the caller's transaction.

    Raises:
        asyncpg.PostgresError, asyncpg.InterfaceError: bare; `Database` makes them ours.
    """
    row = await first_row(connection, sql, values)
    if row is None:
        raise LookupError("the statement returned no row")
    return row


async def first_row(connection: AsyncConnection, sql: str, values: Sequence[object]) -> Record | None:
    """Return the first row that a statement returns, or None, in the caller's transaction.

    Raises:
        asyncpg.PostgresError, asyncpg.InterfaceError: bare; `Database` makes them ours.
    """
    return await driver_of(connection).fetchrow(sql, *values, record_class=Record)


def driver_of(connection: AsyncConnection) -> Driver:
    """Return the asyncpg connection beneath: found without the switch of stacks that `get_raw_connection` takes."""
    opened = connection.sync_connection
    if opened is None:
        raise LookupError("the connection was not opened")
    return cast("Driver", opened.connection.driver_connection)


@asynccontextmanager
async def sound(connection: AsyncConnection) -> AsyncIterator[None]:
    """See to it that the pool never gets back a connection that is lost, silent, or still inside a transaction."""
    driver = driver_of(connection)
    try:
        yield
    except TimeoutError:
        driver.terminate()
        raise
    finally:
        if driver.is_closed() or driver.is_in_transaction():
            await connection.invalidate()


@asynccontextmanager
async def begun(connection: AsyncConnection, *, readonly: bool = False) -> AsyncIterator[None]:
    """Run a transaction of the driver on a connection that SQLAlchemy has in AUTOCOMMIT: it begins and ends nothing."""
    driver = driver_of(connection)
    transaction = driver.transaction(isolation="read_committed", readonly=readonly)
    try:
        await transaction.start()
    except BaseException:
        # The server may have begun it unheard: the next who got this connection would be inside, and commit nothing.
        driver.terminate()
        raise
    try:
        yield
    except TimeoutError:
        # Whoever did not answer a statement would not answer a ROLLBACK either. The server rolls back by itself.
        driver.terminate()
        raise
    except BaseException:
        if not driver.is_closed():
            await _roll_back(driver, transaction)
        raise
    await transaction.commit()


async def _roll_back(driver: Driver, transaction: _Transaction) -> None:
    """Never raise what it meets itself: why it is rolled back says more."""
    try:
        await transaction.rollback()
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
        driver.terminate()
