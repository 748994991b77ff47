"""When a dispatcher looks for rows, and what a delivery asks of the database."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from adapters.store.database import Database
from adapters.store.outbox import OutboxKind
from tests.adapters.dispatch.recording import RecordingGateway
from tests.adapters.dispatch.running import all_done, eventually, put, running
from tests.adapters.dispatch.test_dispatcher import dispatcher
from tests.round_trips import round_trips


async def count_of(seen: list[str], wanted: int) -> None:
    async def is_there() -> bool:
        return len(seen) >= wanted

    await eventually(is_there)


async def test_a_delivery_costs_two_statements_and_no_transaction_around_them(database: Database) -> None:
    await put(database, OutboxKind.WAKE, "prp_1")
    with round_trips(database) as seen:
        async with running(dispatcher(database, RecordingGateway()).run):
            await count_of(seen, 2)
    claim, end, *_ = seen
    assert "attempts + 1" in claim
    assert "done_at" in end
    assert await all_done(database)


async def test_a_dispatcher_looks_when_a_row_of_its_kinds_is_announced_and_not_for_others(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.dispatch.dispatcher.POLL", timedelta(hours=1))
    looking = dispatcher(database, RecordingGateway())
    with round_trips(database) as seen:
        async with running(looking.run):
            await count_of(seen, 1)
            looking.wake("notify")
            await asyncio.sleep(0.05)
            assert len(seen) == 1
            looking.wake("wake")
            await count_of(seen, 2)
            looking.wake("")
            await count_of(seen, 3)
