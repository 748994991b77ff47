from __future__ import annotations

import asyncio
import os
import signal
import socket
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import asyncpg
import pytest

from local.directories import make_private, socket_directory
from local.environment import foreign_environment
from local.events import StackError
from local.part import Part
from local.postgres import PostgresServer, ensure_database, is_ready, server_in
from local.supervisor import Supervisor

Eventually = Callable[[Callable[[], bool]], Awaitable[None]]


@asynccontextmanager
async def supervised(server: PostgresServer, logs: Path) -> AsyncIterator[Supervisor]:
    async def initialise() -> None:
        await asyncio.to_thread(server.initialise)

    part = Part(
        name="postgres",
        command=tuple(server.command()),
        environment=foreign_environment(),
        is_ready=partial(is_ready, server),
        prepare=initialise,
        settle=partial(ensure_database, server, "sluice"),
        account=server.account,
        stop_signal=signal.SIGINT,
    )
    supervisor = Supervisor([(part,)], logs=logs, report=lambda _: None)
    try:
        await supervisor.start()
        yield supervisor
    finally:
        await supervisor.stop()


async def ask(server: PostgresServer, statement: str) -> object:
    connection = await asyncpg.connect(server.dsn("sluice"))
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def test_what_was_committed_is_there_after_a_kill_and_after_a_restart(
    short_dir: Path, eventually: Eventually
) -> None:
    server = server_in(short_dir / "postgres")
    async with supervised(server, short_dir / "logs") as supervisor:
        await ask(server, "CREATE TABLE kept AS SELECT 42 AS answer")
        killed = supervisor.pids()["postgres"]
        os.kill(killed, signal.SIGKILL)
        await eventually(lambda: supervisor.pids().get("postgres", killed) != killed)
        async with asyncio.timeout(60):
            while True:
                try:
                    after_kill = await ask(server, "SELECT answer FROM kept")
                    break
                except (OSError, asyncpg.PostgresError):
                    await asyncio.sleep(0.05)
    again = server_in(short_dir / "postgres")
    assert again == server
    async with supervised(again, short_dir / "logs"):
        after_restart = await ask(again, "SELECT answer FROM kept")
    assert (after_kill, after_restart) == (42, 42)


async def test_it_commits_to_disk_and_listens_on_a_private_socket_only(short_dir: Path) -> None:
    server = server_in(short_dir / "postgres")
    async with supervised(server, short_dir / "logs"):
        durable = [await ask(server, f"SHOW {name}") for name in ("fsync", "synchronous_commit")]
        listens = await ask(server, "SHOW listen_addresses")
    assert durable == ["on", "on"]
    assert listens == ""
    assert stat.S_IMODE(server.sockets.stat().st_mode) == 0o700


def test_a_long_state_directory_gets_a_short_socket_directory_that_stays_the_same(tmp_path: Path) -> None:
    long = tmp_path / ("d" * 120)
    server = server_in(long)
    path = os.fsencode(server.sockets / ".s.PGSQL.5432")
    assert len(path) <= 107
    assert server_in(long).sockets == server.sockets
    assert server_in(tmp_path / ("e" * 120)).sockets != server.sockets
    with socket.socket(socket.AF_UNIX) as probe, pytest.raises(OSError, match="too long"):
        probe.bind(str(long / "run" / ".s.PGSQL.5432"))


def test_a_short_path_keeps_its_sockets_in_the_state_directory() -> None:
    assert socket_directory(Path("/short/run"), "opa.sock") == Path("/short/run")


def test_a_socket_directory_that_somebody_else_put_there_is_refused(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    planted = tmp_path / "planted"
    planted.symlink_to(elsewhere)
    with pytest.raises(StackError, match="belongs to somebody else"):
        make_private(planted)


async def test_each_test_gets_an_empty_database_of_its_own(database_url: str) -> None:
    connection = await asyncpg.connect(database_url.replace("+asyncpg", "", 1))
    try:
        tables = await connection.fetchval("select count(*) from pg_tables where schemaname = 'public'")
    finally:
        await connection.close()
    assert tables == 0


@pytest.mark.postgres_15
async def test_a_marked_test_runs_on_every_postgresql_of_the_machine(database_url: str) -> None:
    connection = await asyncpg.connect(database_url.replace("+asyncpg", "", 1))
    try:
        version = connection.get_server_version()
    finally:
        await connection.close()
    assert version.major >= 15


@pytest.mark.parametrize("use", [1, 2])
async def test_a_migrated_database_has_our_tables_and_nothing_of_another_test(
    migrated_database_url: str, use: int
) -> None:
    connection = await asyncpg.connect(migrated_database_url.replace("+asyncpg", "", 1))
    try:
        tables = await connection.fetch("select tablename from pg_tables where schemaname = 'public'")
        await connection.execute(f"create table left_by_{use} (id int)")
    finally:
        await connection.close()
    names = {row["tablename"] for row in tables}
    assert "alembic_version" in names
    assert not {name for name in names if name.startswith("left_by_")}
