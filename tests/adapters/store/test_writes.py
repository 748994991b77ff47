from __future__ import annotations

from datetime import UTC, datetime

import asyncpg
import pytest
from sqlalchemy import select

from adapters.store.database import Database
from adapters.store.schema import leases, outbox
from adapters.store.writes import NOW, Json, execute, inserting, numbered, updating

HOSTILE = "'); DROP TABLE leases; -- {owner} $1 %s :name"


async def domains(database: Database) -> dict[str, str | None]:
    async with database.reading() as connection:
        return {row.domain: row.owner for row in (await connection.execute(select(leases))).all()}


async def test_a_value_never_becomes_part_of_the_text(database: Database) -> None:
    async with database.transaction() as connection:
        await execute(connection, inserting(leases, {"domain": HOSTILE, "owner": HOSTILE}))
        await execute(connection, updating(leases, {"owner": HOSTILE + "!"}, where={"domain": HOSTILE}))
    assert await domains(database) == {HOSTILE: HOSTILE + "!"}
    assert HOSTILE not in inserting(leases, {"domain": HOSTILE}).sql


async def test_a_change_meets_only_rows_that_equal_all_of_its_conditions(database: Database) -> None:
    async with database.transaction() as connection:
        for domain, owner in (("a", "me"), ("b", "me"), ("c", None)):
            await execute(connection, inserting(leases, {"domain": domain, "owner": owner}))
        await execute(connection, updating(leases, {"owner": "you"}, where={"domain": "a", "owner": "me"}))
        await execute(connection, updating(leases, {"owner": "you"}, where={"domain": "b", "owner": "you"}))
        await execute(connection, updating(leases, {"owner": "you"}, where={"domain": "c", "owner": None}))
    assert await domains(database) == {"a": "you", "b": "me", "c": None}


async def test_a_change_without_conditions_is_refused(database: Database) -> None:
    with pytest.raises(asyncpg.PostgresSyntaxError):
        async with database.transaction() as connection:
            await execute(connection, updating(leases, {"owner": "you"}, where={}))


async def test_documents_moments_and_defaults_come_back_as_they_were_meant(database: Database) -> None:
    row = {"kind": "wake", "subject": "prp_1", "trace_context": Json('{"a":1.50}'), "due_at": NOW}
    began = datetime.now(UTC)
    async with database.transaction() as connection:
        await execute(connection, inserting(outbox, row | {"payload": {"text": "ü'{}", "list": [None, 1]}}))
    async with database.reading() as connection:
        found = (await connection.execute(select(outbox))).one()
    assert found.payload == {"text": "ü'{}", "list": [None, 1]}
    assert found.trace_context == {"a": 1.5}
    assert abs((found.due_at - began).total_seconds()) < 60
    assert found.done_at is None


def test_a_column_that_the_table_lacks_is_refused() -> None:
    with pytest.raises(KeyError):
        inserting(leases, {'domain") VALUES (1); --': "a"})
    with pytest.raises(KeyError):
        updating(leases, {"owner": "a"}, where={"1 = 1 OR domain": "a"})


def test_parameters_are_numbered_in_the_order_of_their_values_and_may_be_used_twice() -> None:
    assert numbered("a = {x} AND b = {y} OR c = {x}", ("y", "x"), 3) == "a = $5 AND b = $4 OR c = $5"
