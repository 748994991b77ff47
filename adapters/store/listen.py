"""LISTEN/NOTIFY: what wakes dispatcher, sequencer and event stream between two polls."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import timedelta

import asyncpg

from adapters.store.database import Database, our_errors
from adapters.waking import set_within
from contracts.errors import StoreUnavailable

LIFE_SIGN = timedelta(seconds=30)
"""Between two questions whether the server is still there: who only listens would not learn of a peer that is gone."""


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
                while not await set_within(broken, LIFE_SIGN.total_seconds()):
                    await driver.execute("SELECT 1")
            finally:
                # It listens: it must not return to the pool.
                await connection.invalidate()
    raise StoreUnavailable("the connection that listens broke")
