from __future__ import annotations

import asyncpg
import pytest


def plain(url: str) -> str:
    return url.replace("+asyncpg", "", 1)


async def test_each_test_gets_an_empty_database_of_its_own(database_url: str) -> None:
    connection = await asyncpg.connect(plain(database_url))
    try:
        tables = await connection.fetchval("select count(*) from pg_tables where schemaname = 'public'")
        await connection.execute("create table t (id int)")
    finally:
        await connection.close()
    assert tables == 0


@pytest.mark.postgres_15
async def test_a_marked_test_runs_on_every_postgresql_of_the_machine(database_url: str) -> None:
    connection = await asyncpg.connect(plain(database_url))
    try:
        version = connection.get_server_version()
    finally:
        await connection.close()
    assert version.major >= 15
