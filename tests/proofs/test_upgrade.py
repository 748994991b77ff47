"""The upgrade from what an older release wrote, and that the proof finds what an upgrade may not do."""

from __future__ import annotations

from pathlib import Path

import asyncpg
import pytest

from adapters.store.database import Database
from proofs.judgement.records import read
from proofs.upgrade import PREVIOUS, WORKFLOWS, Reordered, Rows, changed, migrate, replay, unreadable


async def test_an_older_database_is_migrated_without_a_change_of_what_it_says(database_url: str) -> None:
    migrated = await migrate(database_url)
    assert migrated.faults == []
    assert migrated.rows > 500


async def test_every_older_history_replays_and_a_planted_change_of_order_is_found() -> None:
    histories, failed = await replay(*WORKFLOWS)
    assert (histories, failed) == (len(list((PREVIOUS / "histories").iterdir())), {})
    proposals, found = await replay(Reordered)
    assert len(found) == proposals > 0


async def test_a_migration_that_loses_a_column_or_touches_an_event_is_found(database_url: str) -> None:
    await migrate(database_url)
    connection = await asyncpg.connect(database_url.replace("+asyncpg", "", 1))
    await connection.execute("ALTER TABLE audit_events DISABLE TRIGGER ALL")
    await connection.execute("UPDATE audit_events SET leaf = convert_to(replace(convert_from(leaf, 'utf8'), "
                             "'verified', 'unverified'), 'utf8') WHERE number > 0")  # fmt: skip
    await connection.close()
    database = Database(database_url)
    records = await read(database)
    await database.close()
    assert unreadable(records) == ["the audit events do not give the signed root"]


def test_rows_are_compared_by_their_old_columns() -> None:
    before: Rows = {"proposals": [{"id": "a", "state": "ready"}, {"id": "b", "state": "dirty"}]}
    added: Rows = {
        "proposals": [{**row, "more": 1} for row in reversed(before["proposals"])],
        "new": [{"id": 1}],
    }
    assert changed(before, added) == []
    others: tuple[Rows, ...] = (
        {},
        {"proposals": added["proposals"][:1]},
        {"proposals": [{"id": "a"}, {"id": "b"}]},
    )
    for after in others:
        assert changed(before, after) == ["the migration changed what proposals says"]


@pytest.mark.parametrize("path", sorted((PREVIOUS / "histories").iterdir()), ids=lambda path: path.stem)
def test_older_histories_name_no_machine(path: Path) -> None:
    assert '"stackTrace"' not in path.read_text()
    assert "@" not in path.read_text()
