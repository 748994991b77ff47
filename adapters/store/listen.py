"""LISTEN/NOTIFY: what wakes dispatcher, sequencer and event stream between two polls."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import asyncpg

from adapters.store.database import Database, our_errors
from contracts.errors import StoreUnavailable


async def listen(database: Database, hear: Mapping[str, Callable[[str], None]]) -> None:
    """Hold one connection and call `hear[channel](payload)` for each notification, until cancelled.

    What was announced while nobody listened is lost: every callable is called once with an empty payload as soon as
    listening begins, and callers poll besides.

    Raises:
        StoreUnavailable: the database cannot be reached, or the connection broke. Call again.
    """
    with our_errors():
        async with database.engine.connect() as connection:
            raw = await connection.get_raw_connection()
            driver: asyncpg.Connection = raw.driver_connection
            broken = asyncio.Event()

            def forward(_: object, __: int, channel: str, payload: object) -> None:
                hear[channel](str(payload))

            try:
                driver.add_termination_listener(lambda _: broken.set())
                for channel in hear:
                    await driver.add_listener(channel, forward)
                for callback in hear.values():
                    callback("")
                await broken.wait()
            finally:
                # It listens: it must not return to the pool.
                await connection.invalidate()
    raise StoreUnavailable("the connection that listens broke")
