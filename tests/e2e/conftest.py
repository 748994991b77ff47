"""A worker process on real parts (Temporal, PostgreSQL, OPA, the practice fleet), and the whole stack."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapters.store.database import Database
from tests.e2e.stack_fixtures import programs as programs
from tests.e2e.stack_fixtures import rough_stack as rough_stack
from tests.e2e.stack_fixtures import stack as stack
from tests.e2e.watched import watched as watched
from tests.e2e.worker_process import WorkerProcess
from tests.gke_fixtures import RunningEmulator
from tests.gke_fixtures import practice_fleet as practice_fleet
from tests.opa_fixtures import opa_url as opa_url
from tests.proposal_stack import proposal_stack

_HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run this folder last: what a unit test finds, it finds sooner, and the stacks here stay until the end."""
    items.sort(key=lambda item: _HERE in item.path.parents)


@pytest.fixture
async def worker(
    temporal_address: str,
    migrated_database_url: str,
    practice_fleet: RunningEmulator,
    opa_url: str,
    tmp_path: Path,
) -> AsyncIterator[WorkerProcess]:
    database = Database(migrated_database_url)
    async with proposal_stack(temporal_address, database, practice_fleet) as parts:
        process = WorkerProcess(parts, migrated_database_url, opa_url, tmp_path)
        yield process
        await process.stop()
    await database.close()
