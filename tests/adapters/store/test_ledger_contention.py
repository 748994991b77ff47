"""Two real processes, 1,000 contended reservations: none is lost, none is granted twice, nothing deadlocks."""

from __future__ import annotations

import asyncio
import os
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import func, insert, select

from adapters.store.database import Database
from adapters.store.schema import budget_windows, ledger_entries, proposals
from tests.adapters.store.contender import SCOPES, WINDOWS
from tests.adapters.store.samples import draft_of, fresh_proposal

ROOT = Path(__file__).resolve().parents[3]
EACH = 500


async def store_proposals(database: Database, prefix: str) -> None:
    draft = draft_of(fresh_proposal())
    common = {
        "tenant": draft.tenant,
        "revision": 1,
        "state": "evaluating",
        "draft": {},
        "target_key": draft.action.target.key,
        "action_kind": draft.action.kind,
        "environment": draft.environment,
        "team": draft.team,
        "requester": "local/ana",
        "priority": 3,
        "decide_by": draft.decide_by,
        "execute_by": draft.execute_by,
    }
    async with database.transaction() as connection:
        await connection.execute(
            insert(proposals), [{"id": f"{prefix}{number}", **common} for number in range(EACH)]
        )


async def contend(url: str, prefix: str, limit: str) -> int:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.adapters.store.contender",
        url,
        prefix,
        str(EACH),
        limit,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    return int(output)


@pytest.mark.parametrize(
    ("limit", "granted"), [("1000000", 2 * EACH), ("500", 400)], ids=["room for all", "room for 400"]
)
async def test_two_processes_reserve_a_thousand_times(
    database: Database, migrated_database_url: str, limit: str, granted: int
) -> None:
    await store_proposals(database, "a")
    await store_proposals(database, "b")
    counts = await asyncio.gather(
        contend(migrated_database_url, "a", limit), contend(migrated_database_url, "b", limit)
    )
    assert sum(counts) == granted
    assert min(counts) > 0
    async with database.reading() as connection:
        sums = await connection.execute(select(budget_windows.c.reserved))
        assert [row.reserved for row in sums] == [granted * Decimal("1.25")] * len(SCOPES) * len(WINDOWS)
        entries = await connection.execute(
            select(func.count(), func.count(ledger_entries.c.proposal_id.distinct())).select_from(
                ledger_entries
            )
        )
        assert entries.one() == (granted * 6, granted)
