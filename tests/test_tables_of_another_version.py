"""Processes against a database that `sluice migrate` did not bring to their version: they end, and say what to do."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from adapters.store.database import Database
from adapters.store.revision import REVISION
from cli.exit_codes import ExitCode
from local.bound import bound_command
from local.environment import own_environment
from local.probes import PLAIN
from settings import DatabaseSettings, HttpSettings
from tests.e2e import processes
from tests.tables_at import AFTER, BEFORE, bring_to, call_it
from tests.test_bootstrap import whole
from tests.waiting import eventually

PARTS = (("api",), ("worker", "--queues", "main"), ("worker", "--queues", "effects"))
_LIMIT = 120
# A busy machine may need longer for a connection than a product should wait for it.
_PATIENT = (
    "from adapters.store import database; database.CONNECT_TIMEOUT = 60.0; from cli.main import app; app()"
)


def sluice(*arguments: str) -> list[str]:
    return [sys.executable, "-P", "-c", _PATIENT, *arguments]


async def ended(state: Path, url: str, *arguments: str) -> tuple[int, str]:
    """The exit code of a part that is given all it needs and this database, and what it said."""
    settings = whole(state, database=DatabaseSettings(url=SecretStr(url)), http=HttpSettings(port=0))
    process = await asyncio.create_subprocess_exec(
        *bound_command(sluice(*arguments)), env=own_environment(settings), stderr=asyncio.subprocess.PIPE
    )
    try:
        _, said = await asyncio.wait_for(process.communicate(), _LIMIT)
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode is not None
    return process.returncode, said.decode()


@pytest.mark.parametrize("part", PARTS, ids=" ".join)
async def test_a_part_does_not_start_on_tables_of_the_version_before(
    tmp_path: Path, database_url: str, part: tuple[str, ...]
) -> None:
    await bring_to(database_url, BEFORE)
    code, said = await ended(tmp_path, database_url, *part)
    assert code == ExitCode.USAGE
    assert f"the database's tables are at {BEFORE}, and this version needs {REVISION}" in said
    assert "run `sluice migrate`" in said
    assert "tables_not_current" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("part", PARTS, ids=" ".join)
async def test_a_part_does_not_start_on_an_empty_database(
    tmp_path: Path, database_url: str, part: tuple[str, ...]
) -> None:
    code, said = await ended(tmp_path, database_url, *part)
    assert code == ExitCode.USAGE
    assert f"the database holds no tables of Sluice, and this version needs {REVISION}" in said
    assert "run `sluice migrate`" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("part", [("api",), ("migrate",)], ids=" ".join)
async def test_neither_a_part_nor_a_migration_takes_on_tables_that_a_newer_version_migrated(
    tmp_path: Path, migrated_database_url: str, part: tuple[str, ...]
) -> None:
    """There is no way back for tables: to run `sluice migrate` again would not help, and nobody is told to."""
    database = Database(migrated_database_url, pool_size=1)
    async with database.transaction() as connection:
        await call_it(connection, AFTER)
    await database.close()
    code, said = await ended(tmp_path, migrated_database_url, *part)
    assert code == ExitCode.USAGE
    assert f"the database's tables are at {AFTER}, newer than {REVISION}, which this version needs" in said
    assert "`sluice migrate`" not in said
    assert "Traceback" not in said


async def test_the_agents_worker_never_looks_at_tables(tmp_path: Path, database_url: str) -> None:
    """It goes on to Temporal, of which there is none here."""
    code, said = await ended(tmp_path, database_url, "worker", "--queues", "agent")
    assert code not in (ExitCode.OK, ExitCode.USAGE)
    assert "workflow_unavailable" in said
    assert "tables" not in said


async def test_an_api_whose_database_does_not_answer_starts_all_the_same(
    tmp_path: Path, free_port: Callable[[], int]
) -> None:
    port = free_port()
    settings = whole(tmp_path, http=HttpSettings(port=port))
    log = tmp_path / "api.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *bound_command(sluice("api")), env=own_environment(settings), stdout=output, stderr=output
        )
    try:
        async with httpx.AsyncClient(trust_env=False, verify=PLAIN) as client:

            async def serves() -> bool:
                assert process.returncode is None, log.read_text()
                return (await client.get(f"http://127.0.0.1:{port}/healthz")).is_success

            await eventually(serves, limit=_LIMIT)
    finally:
        await processes.end(process)
