from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import select

from adapters.store import requests
from adapters.store.database import Database
from adapters.store.schema import audit_events
from adapters.store.schema import requests as table
from contracts.errors import NotFound
from contracts.request import RequestStatus
from tests.adapters.store.samples import request, stored_request


async def types_of(database: Database, subject: str) -> list[str]:
    async with database.reading() as connection:
        found = await connection.execute(
            select(audit_events.c.type)
            .where(audit_events.c.subject == subject)
            .order_by(audit_events.c.ordinal)
        )
        return list(found.scalars())


async def test_each_change_of_a_request_leaves_one_event(database: Database) -> None:
    made = await stored_request(database)
    async with database.transaction() as connection:
        assert await requests.mark_planning(connection, made.id)
        assert not await requests.mark_planning(connection, made.id)
        assert await requests.close(connection, made.id, RequestStatus.ANSWERED, "four", None)
    assert await types_of(database, made.id) == ["request.received", "request.planning", "request.closed"]


async def test_the_first_outcome_of_a_request_stays(database: Database) -> None:
    made = await stored_request(database)
    async with database.transaction() as connection:
        assert await requests.close(connection, made.id, RequestStatus.REFUSED, "no", "out_of_scope")
        assert not await requests.close(
            connection, made.id, RequestStatus.FAILED, "late", "model_unavailable"
        )
        row = await requests.lock(connection, made.id)
    assert (row.status, row.answer, row.reason_code) == ("refused", "no", "out_of_scope")
    assert row.closed_at is not None
    assert await types_of(database, made.id) == ["request.received", "request.closed"]


async def test_of_many_with_one_dedupe_key_one_is_taken(database: Database) -> None:
    async def intake() -> bool:
        async with database.transaction() as connection:
            return await requests.create(connection, request(), dedupe_key="alert/1")

    taken = await asyncio.gather(*(intake() for _ in range(8)))
    assert sorted(taken) == [False] * 7 + [True]
    async with database.reading() as connection:
        assert len((await connection.execute(select(table.c.id))).all()) == 1
        assert len((await connection.execute(select(audit_events.c.id))).all()) == 1
        assert await requests.find_by_dedupe_key(connection, "alert/1") is not None


async def test_requests_without_a_dedupe_key_do_not_meet(database: Database) -> None:
    await stored_request(database)
    await stored_request(database)
    async with database.reading() as connection:
        assert len((await connection.execute(select(table.c.id))).all()) == 2


async def test_an_unknown_request_is_not_found(database: Database) -> None:
    async with database.transaction() as connection:
        with pytest.raises(NotFound):
            await requests.mark_planning(connection, "req_none")
        with pytest.raises(NotFound):
            await requests.close(connection, "req_none", RequestStatus.FAILED, None, None)
        with pytest.raises(NotFound):
            await requests.lock(connection, "req_none")


async def test_a_request_is_closed_with_an_outcome_only(database: Database) -> None:
    made = await stored_request(database)
    async with database.transaction() as connection:
        with pytest.raises(ValueError, match="not an outcome"):
            await requests.close(connection, made.id, RequestStatus.PLANNING, None, None)
