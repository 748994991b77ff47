"""One pool of connections to PostgreSQL, and the transaction in which a stage does all its writing.

Nothing waits for the network inside a transaction: `in_transaction()` is what adapters ask before they call out.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from contextvars import ContextVar
from datetime import datetime, timedelta
from typing import Any, cast

import asyncpg
from sqlalchemy import AdaptedConnection, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    InterfaceError,
    InvalidatePoolError,
    OperationalError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

from adapters.store.driver import Query, begun, sound
from contracts.errors import ConfigurationInvalid, SluiceError, StoreUnavailable

_open: ContextVar[bool] = ContextVar("sluice_in_transaction", default=False)

CONNECT_TIMEOUT = 5.0
"""Seconds."""
LOCK_TIMEOUT_MS = 5_000
STATEMENT_TIMEOUT_MS = 15_000
ANSWER_TIMEOUT = STATEMENT_TIMEOUT_MS / 1000 + 3
"""Seconds. The server would have given a statement up by then: who is silent longer is not there any more."""
TRANSACTION_TIMEOUT = timedelta(minutes=1)
"""Only it ends a transaction whose client froze while it was sending: the others count while the server works, or while
nothing is under way. PostgreSQL has it from 17 on."""
_HAS_TRANSACTION_TIMEOUT = 17


class NetworkInsideTransaction(SluiceError):
    """A call to the outside was about to be made while a writing transaction was open."""

    reason_code = "network_inside_transaction"


def forbid_in_transaction() -> None:
    """Raise unless no writing transaction is open in this task. Adapters call it before any network call.

    Raises:
        NetworkInsideTransaction: one is open.
    """
    if _open.get():
        raise NetworkInsideTransaction("no network call is made inside a database transaction")


_DRIVER = "postgresql+asyncpg"
_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_FILES = ("sslrootcert", "sslcert", "sslkey", "sslcrl")
_SAYABLE = ("host", "port", "passfile", "target_session_attrs", "sslmode", *_FILES)
"""What a URL may say behind the `?`, as libpq spells it. The driver would send anything else to the server."""


def dsn_of(url: str) -> str:
    """Return the URL as `asyncpg.connect` and `psql` take it.

    Raises:
        ConfigurationInvalid: it is none of PostgreSQL, or says what nobody would heed. The message holds nothing of
            it: it carries a password.
    """
    found = None
    with suppress(ArgumentError, ValueError):
        found = make_url(url)
    if found is None or found.drivername not in ("postgresql", _DRIVER):
        raise _refused(
            "is not postgresql://USER:PASSWORD@HOST:PORT/DATABASE;"
            " percent-encode what a password has besides letters and digits"
        )
    # SQLAlchemy calls it `ssl`, and says `host` once for each host.
    said = {
        "sslmode" if name == "ssl" else name: ",".join(values)
        for name, values in found.normalized_query.items()
    }
    if not said.keys() <= set(_SAYABLE):
        raise _refused(f"may say no more behind the ? than {', '.join(_SAYABLE)}")
    if found.host is not None and not said.keys().isdisjoint(("host", "port")):
        raise _refused("says where the server is before the ? and behind it")
    for name in _FILES:
        if name in said and not os.access(said[name], os.R_OK):
            raise _refused(f"names a file by {name} that cannot be read")
    mode = said.get("sslmode", "prefer")
    if mode not in _MODES:
        raise _refused(f"says an sslmode that is none of {', '.join(_MODES)}")
    if mode.startswith("verify") and "sslrootcert" not in said:
        raise _refused(f"says {mode} and not by sslrootcert which file holds the certificates to trust")
    return found.set(drivername="postgresql", query=said).render_as_string(hide_password=False)


def _refused(why: str) -> ConfigurationInvalid:
    return ConfigurationInvalid(f"SLUICE_DATABASE__URL {why}")


def engine_on(url: str, connect_args: Mapping[str, object], **options: Any) -> AsyncEngine:
    """Return an engine whose driver reads the URL: SQLAlchemy would read it in a way of its own.

    Raises:
        ConfigurationInvalid: as for `dsn_of`.
    """
    return create_async_engine(f"{_DRIVER}://", connect_args={"dsn": dsn_of(url), **connect_args}, **options)


class Database:
    """An engine with the time-outs that keep a locked or lost database from hanging a stage."""

    def __init__(self, url: str, pool_size: int = 10) -> None:
        """Open a lazy pool on `url` (`postgresql://` or `postgresql+asyncpg://`), of at most twice `pool_size`."""
        self.engine = engine_on(
            url,
            # All are kept once opened: an overflow is closed at each return, and to open one costs more than a pass.
            pool_size=2 * pool_size,
            max_overflow=0,
            pool_use_lifo=True,
            pool_timeout=10,
            pool_pre_ping=False,
            isolation_level="AUTOCOMMIT",  # `begun` begins and ends the transactions
            hide_parameters=True,  # bound values must not reach logs or workflow failures
            connect_args={
                "timeout": CONNECT_TIMEOUT,
                "command_timeout": ANSWER_TIMEOUT,
                # As long as the connection: planning a pass's statements anew, every five minutes, takes milliseconds.
                "max_cached_statement_lifetime": 0,
                "server_settings": {
                    "lock_timeout": str(LOCK_TIMEOUT_MS),
                    "statement_timeout": str(STATEMENT_TIMEOUT_MS),
                    "idle_in_transaction_session_timeout": "30000",
                    "application_name": "sluice",
                    # A day that is added to a moment has 24 hours, wherever the server stands.
                    "timezone": "UTC",
                    # Compiling one of our statements takes longer than it ever runs.
                    "jit": "off",
                },
            },
        )
        event.listen(self.engine.sync_engine, "connect", _bound_transactions)
        event.listen(self.engine.sync_engine, "checkout", _refuse_lost)
        event.listen(self.engine.sync_engine, "checkin", self._close_if_late)
        self._closed = False

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """Yield a connection inside one transaction: commit at the end, roll back on any error.

        When the connection breaks during the commit itself, the work may or may not be there: whoever retries
        must find out by a key of its own.

        Raises:
            StoreUnavailable: the database cannot be reached, is locked, or the connection broke.
        """
        async with self.single() as connection, begun(connection):
            token = _open.set(True)
            try:
                yield connection
            finally:
                _open.reset(token)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """Yield a connection for reads only (`READ ONLY` transaction).

        Raises:
            StoreUnavailable: as for `transaction`.
        """
        async with self.single() as connection, begun(connection, readonly=True):
            yield connection

    def writing(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """Yield a connection for one statement that writes: a transaction by itself, in one round trip.

        Raises:
            StoreUnavailable: as for `transaction`.
        """
        return self.single()

    @asynccontextmanager
    async def single(self) -> AsyncIterator[AsyncConnection]:
        """Yield a connection on which every statement is a transaction by itself: for one read in one round trip.

        Raises:
            StoreUnavailable: as for `transaction`.
        """
        with our_errors():
            async with self.engine.connect() as connection, sound(connection):
                yield connection

    async def close(self) -> None:
        """Close every pooled connection; those in use by somebody who was told to stop, when they come back."""
        self._closed = True
        await self.engine.dispose()

    def _close_if_late(self, _: DBAPIConnection | None, pooled: ConnectionPoolEntry) -> None:
        if self._closed and pooled.dbapi_connection is not None:
            pooled.invalidate()


def _bound_transactions(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    """Bound the transactions of a new connection, where the server can: a setting it does not know, it refuses."""

    async def bound(driver: asyncpg.Connection[Any]) -> None:
        if driver.get_server_version().major >= _HAS_TRANSACTION_TIMEOUT:
            await driver.execute(f"SET transaction_timeout = '{TRANSACTION_TIMEOUT.total_seconds():.0f}s'")

    cast("AdaptedConnection", connection).run_async(bound)


def _refuse_lost(connection: DBAPIConnection, _: ConnectionPoolEntry, __: PoolProxiedConnection) -> None:
    """Have the pool take a new connection for one that was lost while nobody used it, and for all as old as that."""
    driver: asyncpg.Connection[Any] = cast("AdaptedConnection", connection).driver_connection
    if driver.is_closed():
        raise InvalidatePoolError


_TRANSIENT_CLASSES = ("08", "40", "53", "55", "57")
"""SQLSTATE classes: connection, rollback (deadlock, serialisation), resources, object in use, intervention."""


@contextmanager
def our_errors() -> Iterator[None]:
    """Raise `StoreUnavailable` for what another attempt may cure; everything else is a defect and passes.

    asyncpg's own errors come through bare from its own statements, and while a connection is being opened.
    """
    try:
        yield
    except asyncpg.DataError as error:
        # Its words quote the value.
        raise ValueError(f"PostgreSQL cannot take a value of a statement ({error.sqlstate})") from None
    except (OperationalError, InterfaceError, PoolTimeout, OSError, asyncpg.InterfaceError) as error:
        raise StoreUnavailable("the database did not answer") from error
    except DBAPIError as error:
        if error.connection_invalidated or _is_transient(getattr(error.orig, "sqlstate", None)):
            raise StoreUnavailable("the database refused for now") from error
        raise
    except asyncpg.PostgresError as error:
        if _is_transient(error.sqlstate):
            raise StoreUnavailable("the database refused for now") from error
        raise


def _is_transient(sqlstate: str | None) -> bool:
    return (sqlstate or "")[:2] in _TRANSIENT_CLASSES


_NOW = Query("SELECT clock_timestamp() AS now", ())


async def database_now(connection: AsyncConnection) -> datetime:
    """Return the database's clock: the one clock that all processes share."""
    moment: datetime = (await _NOW.only_row(connection, {})).now
    return moment
