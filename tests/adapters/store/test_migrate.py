from __future__ import annotations

import asyncio

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from adapters.store import audit_log
from adapters.store.database import Database
from adapters.store.migrate import configuration, upgrade
from adapters.store.revision import REVISION, is_current
from adapters.store.schema import metadata
from contracts.audit import AuditType
from contracts.errors import StoreUnavailable
from contracts.principal import SYSTEM, Principal, PrincipalKind
from tests.tables_at import bring_to

pytestmark = pytest.mark.postgres_15


async def test_the_migrations_make_exactly_the_tables_of_the_schema(database: Database) -> None:
    async with database.reading() as connection:
        differences = await connection.run_sync(
            lambda opened: compare_metadata(
                MigrationContext.configure(opened, opts={"compare_server_default": True}), metadata
            )
        )
    assert differences == []


def test_the_revision_that_code_asks_for_is_the_newest_and_each_sorts_behind_the_one_before() -> None:
    newest_first = [one.revision for one in ScriptDirectory.from_config(configuration()).walk_revisions()]
    assert newest_first[0] == REVISION
    assert newest_first == sorted(newest_first, reverse=True)


async def test_a_database_is_current_only_after_the_upgrade(database_url: str) -> None:
    opened = Database(database_url)
    try:
        assert not await is_current(opened)
        await upgrade(database_url)
        assert await is_current(opened)
    finally:
        await opened.close()


async def test_processes_that_migrate_at_once_all_succeed(database_url: str) -> None:
    await asyncio.gather(*(upgrade(database_url) for _ in range(4)))
    opened = Database(database_url)
    try:
        assert await is_current(opened)
    finally:
        await opened.close()


async def test_a_database_that_is_not_there_is_unavailable(database_url: str) -> None:
    with pytest.raises(StoreUnavailable):
        await upgrade(database_url.replace("?host=", "?host=/nowhere"))


async def test_a_database_that_is_still_starting_is_unavailable() -> None:
    """As PostgreSQL says it: https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-START-UP"""
    said = b"SFATAL\x00VFATAL\x00C57P03\x00Mthe database system is starting up\x00\x00"

    refused: list[asyncio.Task[None] | None] = []

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        refused.append(asyncio.current_task())
        if len(await _message(reader)) == _SSL_REQUEST:
            writer.write(b"N")
            await _message(reader)
        writer.write(b"E" + (len(said) + 4).to_bytes(4, "big") + said)
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(StoreUnavailable):
            await upgrade(f"postgresql://somebody:x@127.0.0.1:{port}/sluice")
        await asyncio.gather(*filter(None, refused), return_exceptions=True)


_SSL_REQUEST = 4
"""Bytes of a request for encryption; a start-up message has more."""


async def _message(reader: asyncio.StreamReader) -> bytes:
    return await reader.readexactly(int.from_bytes(await reader.readexactly(4), "big") - 4)


@pytest.mark.parametrize(
    "statement",
    [
        "update audit_events set leaf = 'x'",
        "update audit_events set number = 1, leaf_hash = 'h', subject = 'x'",
        "update audit_events set number = 1",
        "delete from audit_events",
        "truncate audit_events",
        "update audit_checkpoints set note = 'x'",
        "delete from audit_nodes",
    ],
)
async def test_the_audit_log_takes_nothing_back(database: Database, statement: str) -> None:
    event = audit_log.event(
        AuditType.HALT_CREATED, tenant="default", subject="hlt_1", actor=SYSTEM, payload={"a": 1}
    )
    async with database.transaction() as connection:
        await audit_log.append(connection, event)
        await connection.execute(
            text("insert into audit_checkpoints (size, root_hash, note) values (0, 'r', 'n')")
        )
    with pytest.raises(IntegrityError):
        async with database.transaction() as connection:
            await connection.execute(text(statement))


async def test_a_numbered_event_keeps_its_number(database: Database) -> None:
    event = audit_log.event(AuditType.HALT_CREATED, tenant="default", subject="h", actor=SYSTEM, payload={})
    async with database.transaction() as connection:
        await audit_log.append(connection, event)
        await connection.execute(text("update audit_events set number = 0, leaf_hash = 'h'"))
    with pytest.raises(IntegrityError):
        async with database.transaction() as connection:
            await connection.execute(text("update audit_events set number = 1"))


_OLD_EVENT = text(
    "insert into audit_events (id, type, tenant, subject, leaf, created_at)"
    " values (:id, :type, :tenant, :subject, :leaf, :at)"
)


async def test_an_upgrade_names_the_actor_of_each_event_and_keeps_its_leaf(database_url: str) -> None:
    """From before the web pages: some events are numbered, and their leaves are in a tree that is signed."""
    people = (
        SYSTEM,
        Principal(kind=PrincipalKind.HUMAN, subject='ana "ö" ⟂', issuer="https://login.example/a"),
    )
    events = [
        audit_log.event(
            AuditType.HALT_CREATED, tenant="default", subject=f"h{n}", actor=actor, payload={"a": "\\"}
        )
        for n, actor in enumerate(people * 3)
    ]
    await bring_to(database_url, "0001")
    opened = Database(database_url)
    try:
        async with opened.transaction() as connection:
            for one in events:
                row = {"id": one.id, "type": one.type.value, "tenant": one.tenant, "subject": one.subject}
                await connection.execute(_OLD_EVENT, row | {"leaf": one.leaf_bytes(), "at": one.at})
            await connection.execute(
                text("update audit_events set number = ordinal, leaf_hash = sha256(leaf) where ordinal <= 4")
            )
            before = (await connection.execute(_ALL_BUT_ACTOR)).all()
        assert not await is_current(opened)
        await upgrade(database_url)
        assert await is_current(opened)
        async with opened.reading() as connection:
            after = (await connection.execute(_ALL_BUT_ACTOR)).all()
            actors = (
                await connection.execute(text("select actor from audit_events order by ordinal"))
            ).scalars()
            assert list(actors) == [one.actor.spelled for one in events]
        assert after == before
        for change in ("update audit_events set actor = 'x'", "update audit_events set leaf = 'x'"):
            with pytest.raises(IntegrityError):
                async with opened.transaction() as connection:
                    await connection.execute(text(change))
        async with opened.transaction() as connection:
            await audit_log.append(connection, events[0].model_copy(update={"id": "evt_new"}))
    finally:
        await opened.close()


_ALL_BUT_ACTOR = text(
    "select id, ordinal, number, type, tenant, subject, leaf, leaf_hash, created_at from audit_events order by ordinal"
)
