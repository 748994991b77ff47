from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from pydantic import JsonValue
from sqlalchemy import select, text

from adapters.store import idempotency, requests
from adapters.store.database import Database
from adapters.store.idempotency import StoredAnswer, body_digest
from adapters.store.schema import requests as table
from contracts.errors import IdempotencyKeyReused
from tests.adapters.store.samples import request

pytestmark = pytest.mark.postgres_15

BODY = body_digest(b'{"text":"x"}', operation="POST /v1/requests")


async def post(database: Database, subject: str, digest: str = BODY) -> StoredAnswer:
    async with database.transaction() as connection:
        known = await idempotency.find(connection, subject, "key-1", digest)
        if known is not None:
            return known
        made = request()
        await requests.create(connection, made)
        await asyncio.sleep(0.05)
        response: JsonValue = {"request_id": made.id}
        await idempotency.store(connection, subject, "key-1", digest, 202, response)
        return StoredAnswer(202, response)


async def count(database: Database) -> int:
    async with database.reading() as connection:
        return len((await connection.execute(select(table.c.id))).all())


async def test_concurrent_retries_do_the_work_once_and_get_one_answer(database: Database) -> None:
    answers = await asyncio.gather(*(post(database, "local/ana") for _ in range(8)))
    assert len({str(answer.response) for answer in answers}) == 1
    assert await count(database) == 1


async def test_a_key_belongs_to_its_caller(database: Database) -> None:
    first, second = await post(database, "local/ana"), await post(database, "local/ben")
    assert first.response != second.response


async def test_the_same_key_with_another_body_is_refused(database: Database) -> None:
    await post(database, "local/ana")
    for digest in (body_digest(b"{}"), body_digest(b'{"text":"x"}', operation="POST /v1/proposals")):
        with pytest.raises(IdempotencyKeyReused):
            await post(database, "local/ana", digest)
    assert await count(database) == 1


async def test_a_failed_first_attempt_leaves_the_key_free(database: Database) -> None:
    async def fails_at_the_end() -> None:
        async with database.transaction() as connection:
            assert await idempotency.find(connection, "local/ana", "key-1", BODY) is None
            await idempotency.store(connection, "local/ana", "key-1", BODY, 202, {})
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fails_at_the_end()
    await post(database, "local/ana")
    assert await count(database) == 1


async def test_old_answers_are_forgotten_and_young_ones_kept(database: Database) -> None:
    await post(database, "local/ana")
    await post(database, "local/ben")
    async with database.transaction() as connection:
        await connection.execute(
            text(
                "update idempotency_keys set created_at = now() - interval '8 days' where subject = 'local/ana'"
            )
        )
        assert await idempotency.forget_old(connection, timedelta(days=7)) == 1
    await post(database, "local/ben")
    assert await count(database) == 2


async def test_an_answer_can_be_amended_by_what_became_known_later(database: Database) -> None:
    await post(database, "local/ana")
    await post(database, "local/ben")
    async with database.transaction() as connection:
        await idempotency.amend(connection, "local/ana", "key-1", 200, {"state": "ready"})
    assert await post(database, "local/ana") == StoredAnswer(200, {"state": "ready"})
    assert (await post(database, "local/ben")).status == 202
