"""A database, and a Temporal that a test tells which workflows run."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from adapters.store.database import Database, forbid_in_transaction
from contracts.errors import WorkflowUnavailable


@dataclass
class Temporal:
    """Knows which workflows run, and which it was asked for. About some it does not answer."""

    running: set[str] = field(default_factory=set)
    silent: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)

    async def is_running(self, workflow_id: str) -> bool:
        forbid_in_transaction()
        self.asked.append(workflow_id)
        if workflow_id in self.silent:
            raise WorkflowUnavailable("away")
        return workflow_id in self.running


@pytest.fixture
async def database(migrated_database_url: str) -> AsyncIterator[Database]:
    opened = Database(migrated_database_url)
    yield opened
    await opened.close()


@pytest.fixture
def temporal() -> Temporal:
    return Temporal()
