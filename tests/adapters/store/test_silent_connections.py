"""A connection whose other end is gone without a word: nobody waits for it long, and nobody gets it again."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import database as module
from adapters.store.database import Database, database_now
from adapters.store.listen import listen
from contracts.errors import StoreUnavailable
from tests.silent_relay import SilentRelay, relay_to_postgres

Opening = Callable[[Database], AbstractAsyncContextManager[AsyncConnection]]

OPENINGS = pytest.mark.parametrize(
    "opening",
    [Database.transaction, Database.reading, Database.single],
    ids=["transaction", "reading", "single"],
)


@pytest.fixture
async def relay(migrated_database_url: str) -> AsyncIterator[SilentRelay]:
    sockets = Path(parse_qs(urlsplit(migrated_database_url).query)["host"][0])
    # Short: a socket's path has at most 107 bytes.
    with tempfile.TemporaryDirectory(prefix="sluice-relay-") as directory:
        async with relay_to_postgres(sockets, Path(directory)) as running:
            yield running


@pytest.fixture
async def relayed(
    relay: SilentRelay, migrated_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Database]:
    """A pool of one connection over the relay, with little patience."""
    monkeypatch.setattr(module, "ANSWER_TIMEOUT", 2)
    parts = urlsplit(migrated_database_url)
    opened = Database(f"postgresql+asyncpg://{parts.netloc}{parts.path}?host={relay.address}", pool_size=1)
    yield opened
    # Whoever should wait for a silent peer all the same hears now that it is gone.
    await relay.close()
    await opened.close()


@OPENINGS
async def test_a_silent_connection_is_given_up_and_the_next_statement_gets_another(
    relay: SilentRelay, relayed: Database, opening: Opening
) -> None:
    async def ask() -> None:
        async with opening(relayed) as connection:
            await database_now(connection)

    async with asyncio.timeout(60):
        await ask()
        relay.silence()
        with pytest.raises(StoreUnavailable):
            await ask()
        await ask()
    assert relay.connections >= 2


@OPENINGS
async def test_a_connection_that_falls_silent_in_the_midst_of_its_work_is_given_up(
    relay: SilentRelay, relayed: Database, opening: Opening
) -> None:
    async def loses_its_peer() -> None:
        async with opening(relayed) as connection:
            await database_now(connection)
            relay.silence()
            await database_now(connection)

    async with asyncio.timeout(60):
        with pytest.raises(StoreUnavailable):
            await loses_its_peer()
        async with opening(relayed) as connection:
            await database_now(connection)


async def test_who_is_told_to_stop_does_not_wait_for_a_silent_connection(
    relay: SilentRelay, relayed: Database
) -> None:
    async def waits() -> None:
        async with relayed.transaction() as connection:
            relay.silence()
            await database_now(connection)

    async with asyncio.timeout(60):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await waits()
        async with relayed.transaction() as connection:
            await database_now(connection)


async def test_who_only_listens_gives_a_silent_connection_up_too(
    relay: SilentRelay, relayed: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.store.listen.LIFE_SIGN", timedelta(milliseconds=10))
    heard = asyncio.Queue[str]()
    async with asyncio.timeout(60):
        listening = asyncio.create_task(listen(relayed, {"one": heard.put_nowait}))
        assert await heard.get() == ""
        await asyncio.sleep(0.1)
        async with relayed.single() as connection:
            await connection.execute(text("NOTIFY one, 'still there'"))
        assert await heard.get() == "still there"
        relay.silence()
        with pytest.raises(StoreUnavailable):
            await listening


async def test_a_pool_of_silent_connections_can_be_closed(relay: SilentRelay, relayed: Database) -> None:
    async with relayed.transaction() as connection:
        await database_now(connection)
    relay.silence()
    async with asyncio.timeout(60):
        await relayed.close()
