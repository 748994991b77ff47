"""Runs a dispatcher in a test until what is waited for has come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.engine import Row

from adapters.dispatch.delivery import Backoff
from adapters.store import outbox
from adapters.store.database import Database
from adapters.store.outbox import OutboxKind
from adapters.store.schema import outbox as outbox_table
from tests.waiting import eventually as eventually

QUICK = Backoff(first=timedelta(milliseconds=20), longest=timedelta(milliseconds=50))


@asynccontextmanager
async def running(*loops: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    tasks = [asyncio.ensure_future(loop()) for loop in loops]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def put(database: Database, kind: OutboxKind, subject: str, **payload: str) -> int:
    async with database.transaction() as connection:
        return await outbox.put(connection, kind, subject, dict(payload))


async def rows(database: Database) -> list[Row[Any]]:
    async with database.reading() as connection:
        return list((await connection.execute(select(outbox_table).order_by(outbox_table.c.id))).all())


async def all_done(database: Database) -> bool:
    return all(row.done_at is not None for row in await rows(database))
