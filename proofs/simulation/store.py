"""The real store on a real PostgreSQL whose clock is the simulation's, and in which each commit is a boundary.

One transaction runs at a time, on one connection: what happens between two commits is of interest, not within them.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, _AsyncGeneratorContextManager, asynccontextmanager
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import Any

import asyncpg
from sqlalchemy import select, text
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from adapters.store.database import Database
from adapters.store.migrate import upgrade
from adapters.store.outbox import OUTBOX_CHANNEL
from adapters.store.schema import halts
from proofs.simulation.boundaries import AFTER, BEFORE, sites
from proofs.simulation.loop import running_loop
from proofs.simulation.world import BEGINS, World

_CLOCK = """
    CREATE FUNCTION public.{name}() RETURNS timestamptz LANGUAGE sql STABLE
    AS $$ SELECT CAST(pg_read_file('{file}') AS timestamptz) $$"""
# Names without a schema mean what is found first: ours.
_PATH = "public, pg_catalog"
_SHARED = """
    DELETE FROM outbox WHERE kind <> 'notify';
    DELETE FROM breaker_outcomes; DELETE FROM breakers; DELETE FROM rate_buckets; DELETE FROM halts;
    UPDATE intents SET call_deadline = created_at - interval '1 day' WHERE call_deadline > created_at"""
"""What seeds would otherwise have in common, as all begin at the same moment: queues, limits and halts that are not a
tenant's, and calls that seem to be under way, for which a halt waits."""


async def prepare(url: str, clock: Clock) -> None:
    """Make an empty database ready: our tables, and functions that tell the simulation's time."""
    clock.show(BEGINS)
    connection = await asyncpg.connect(url.replace("+asyncpg", "", 1))
    try:
        name = await connection.fetchval("SELECT current_database()")
        await connection.execute(f'ALTER DATABASE "{name}" SET search_path = {_PATH}')
        for name in ("clock_timestamp", "now"):
            await connection.execute(_CLOCK.format(name=name, file=clock.file))
    finally:
        await connection.close()
    await upgrade(url)


class Clock:
    """The time as the server reads it: a file that only we write. Telling it the time costs no round trip."""

    def __init__(self, file: Path) -> None:
        """Show nothing yet."""
        self.file = file
        self._descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
        file.chmod(0o644)

    def show(self, moment: datetime) -> None:
        """Let it be this moment."""
        os.pwrite(self._descriptor, moment.isoformat(timespec="microseconds").encode(), 0)

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


class _Connection(asyncpg.Connection):  # type: ignore[misc]  # asyncpg carries no types
    """Saves round trips: the end of a transaction begins the next one, and one that only reads never ends."""

    is_begun = False
    is_inside = False

    def transaction(
        self, *, isolation: object = None, readonly: bool = False, deferrable: bool = False
    ) -> object:
        return _Transaction(self, is_reading=readonly)

    def is_in_transaction(self) -> bool:
        return self.is_inside


class _Transaction:
    """As asyncpg's, seen from outside."""

    def __init__(self, connection: _Connection, *, is_reading: bool) -> None:
        self._connection = connection
        self._is_reading = is_reading

    async def start(self) -> None:
        if not self._connection.is_begun:
            await self._connection.execute("BEGIN")
        self._connection.is_begun = self._connection.is_inside = True

    async def commit(self) -> None:
        await self._end("COMMIT; BEGIN")

    async def rollback(self) -> None:
        if self._is_reading:
            self._connection.is_inside = False
        else:
            await self._end("ROLLBACK; BEGIN")

    async def _end(self, how: str) -> None:
        self._connection.is_inside = False
        await self._connection.execute(how)


class SimulatedDatabase(Database):
    """One connection; transactions take turns, in an order that the seed decides."""

    def __init__(self, url: str, clock: Clock) -> None:
        """Connect when first used."""
        self._clock = clock
        self.engine = create_async_engine(
            url,
            pool_size=1,
            max_overflow=0,
            hide_parameters=True,
            connect_args={"connection_class": _Connection},
        )
        self.world: World | None = None
        """None while the simulation prepares or judges: then nothing breaks."""
        self.on_outbox: Callable[[], object] = lambda: None
        """Called when somebody has put a row into the outbox."""
        self._turn = asyncio.Lock()
        self._at_work: asyncio.Task[Any] | None = None
        """Who has the connection: transactions and reads of the real store begin by taking one."""
        self._is_listening = False

    def transaction(self) -> _AsyncGeneratorContextManager[AsyncConnection, None]:
        """As the real one; the caller's place in the code names the boundaries."""
        return self._transaction(_site(sys._getframe(1)))  # noqa: SLF001  the documented way to know the caller

    writing = transaction
    """Of one statement."""

    @asynccontextmanager
    async def _transaction(self, site: str) -> AsyncIterator[AsyncConnection]:
        if self.world is None:
            async with self._at_sockets(), super().transaction() as connection:
                yield connection
            return
        world = self.world
        await world.turn()
        async with self._at_sockets(), super().transaction() as connection:
            await self._listen(connection)
            yield connection
            # The connection is open: nobody else gets a turn here, so only the crash is of interest.
            world.cross(site + BEFORE)
        await world.boundary(site + AFTER)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """As the real one. A read is no boundary of its own: nothing is lost with it."""
        async with self._read(super().reading) as connection:
            yield connection

    @asynccontextmanager
    async def single(self) -> AsyncIterator[AsyncConnection]:
        """As the real one: a read by itself, or the beginning of what the others do."""
        if self._at_work is asyncio.current_task():
            async with super().single() as connection:
                yield connection
            return
        async with self._read(super().single) as connection:
            yield connection

    @asynccontextmanager
    async def _read(
        self, begin: Callable[[], AbstractAsyncContextManager[AsyncConnection]]
    ) -> AsyncIterator[AsyncConnection]:
        if self.world is not None:
            await self.world.turn()
        async with self._at_sockets(), begin() as connection:
            yield connection
        if self.world is not None:
            await self.world.linger("a read")

    async def _listen(self, connection: AsyncConnection) -> None:
        if not self._is_listening:
            self._is_listening = True
            driver: Any = (await connection.get_raw_connection()).driver_connection
            await driver.add_listener(OUTBOX_CHANNEL, lambda *_: self.on_outbox())

    @asynccontextmanager
    async def _at_sockets(self) -> AsyncIterator[None]:
        loop = running_loop()
        async with self._turn:
            if self.world is not None:
                self._clock.show(self.world.tick())
            loop.at_sockets += 1
            self._at_work = asyncio.current_task()
            try:
                yield
            finally:
                self._at_work = None
                loop.at_sockets -= 1

    @asynccontextmanager
    async def undisturbed(self) -> AsyncIterator[None]:
        """Let others use connections of their own: time stands still."""
        async with self._at_sockets():
            yield

    async def is_delivered(self) -> bool:
        """Tell whether nothing waits in the outbox for Temporal."""
        async with self.reading() as connection:
            waiting = await connection.execute(
                text("SELECT 1 FROM outbox WHERE done_at IS NULL AND kind <> 'notify' LIMIT 1")
            )
            return waiting.one_or_none() is None

    async def close(self) -> None:
        """Close the connection."""
        async with self._at_sockets():
            await super().close()

    async def forget_shared(self) -> Sequence[Row[Any]]:
        """Take away what the next seed would share with this one; return its halts, for the judges."""
        async with self.transaction() as connection:
            stopped = (await connection.execute(select(halts))).all()
            driver: Any = (await connection.get_raw_connection()).driver_connection
            await driver.execute(_SHARED)
        return stopped


def _site(frame: FrameType) -> str:
    """Return where in the code a transaction begins, as `boundaries` names it."""
    module = frame.f_globals["__name__"]
    return sites().get(f"{module}:{frame.f_lineno}", f"{module}.{frame.f_code.co_name}")
