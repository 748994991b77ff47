"""Questions about what is open, beside much more that is over: none of them reads through it, on any PostgreSQL.

The path itself is in `test_cost_of_each_stage.py`; here are sweeps, alerts, pages and what an attempt looks up.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from activities.housekeeping.exceptions import ExceptionSweeps
from activities.housekeeping.lost import LostProposals
from activities.housekeeping.overdue import OverdueProposals
from activities.housekeeping.unplanned import UnplannedRequests
from adapters.configuration import parse
from adapters.store import (
    admitting,
    coalescing,
    fleet,
    halt_reads,
    halts,
    intents,
    last_seen,
    outbox_queue,
)
from adapters.store.database import Database
from adapters.store.ledger import sweep_reservations
from adapters.store.outbox import OutboxKind
from contracts.safety import HaltScope
from tests.adapters.store.samples import stored_proposal, stored_request
from tests.contracts.samples import ANA, BEN

pytestmark = pytest.mark.postgres_15

OVER = 3_000
"""Of everything: proposals, requests, effects, uses of a grant, sign-ins; and as much that is not due yet."""
OPEN = 300
"""Proposals that wait, one in ten: enough for PostgreSQL to expect one early wherever it looks."""
LITTLE = 3 * OPEN
OFTEN = 7
"""A statement that is kept prepared has its final plan by then."""

_COPIED = """
    INSERT INTO {table} SELECT (jsonb_populate_record(one, {changes})).*
    FROM {table} AS one, generate_series(1, {count}) AS n WHERE one.id = '{id}' ORDER BY n"""
_REQUEST = "jsonb_build_object('id', 'req_over_' || n, 'status', 'answered')"
_LONG_AGO = """jsonb_build_object('id', 'prp_over_' || to_char(n, 'FM0000'), 'state', 'succeeded',
    'document', one.draft, 'created_at', moment, 'decide_by', moment, 'execute_by', moment, 'closed_at', moment)"""
_WAITING = """jsonb_build_object('id', 'prp_will_' || to_char(n, 'FM0000'), 'state', 'awaiting_approval',
    'document', one.draft, 'target_key', one.target_key || '-of-others')"""
_BESIDE = (
    """INSERT INTO intents (key, proposal_id, step, document, fence, call_deadline, operation, receipt)
        SELECT id || '/1/forward', id, 'forward', draft, 1, created_at, 'operation-of-' || id, draft
        FROM proposals WHERE state = 'succeeded'""",
    """INSERT INTO break_glass (id, tenant, status, opened_at, confirm_by, document)
        SELECT 'brk_' || id, tenant, 'reviewed', created_at, created_at, '{}'
        FROM proposals WHERE state = 'succeeded'""",
    """INSERT INTO break_glass_uses (grant_id, proposal_id, revision, pass_number, at, document)
        SELECT 'brk_' || id, id, 1, 2, now(), '{}' FROM proposals WHERE state = 'succeeded'""",
    """INSERT INTO ledger_entries
            (tenant, proposal_id, request_id, scope, "window", currency, kind, debit, credit, posting, amount)
        SELECT tenant, proposal_id, request_id, 'org', 'month:2026-11', 'EUR', kind, debit, credit, 1, 1 FROM (
            SELECT tenant, id AS proposal_id, NULL AS request_id FROM proposals WHERE state = 'succeeded'
            UNION ALL SELECT tenant, NULL, id FROM requests WHERE status = 'answered'
        ) AS spent, (VALUES ('reserve', 'available', 'reserved'), ('release', 'reserved', 'available'))
            AS moved (kind, debit, credit)""",
    """INSERT INTO sessions (id, token_hash, principal, display_name, method, expires_at)
        SELECT id, convert_to(id, 'UTF8'), jsonb_build_object('issuer', 'local', 'subject', id), id, 'oidc', now()
        FROM proposals WHERE state = 'succeeded'""",
    """INSERT INTO outbox (kind, subject, due_at)
        SELECT 'notify', id, now() + interval '1 hour' FROM proposals WHERE state = 'succeeded'""",
    """INSERT INTO budget_windows (tenant, scope, "window", currency)
        VALUES ('default', 'org', 'month:2026-11', 'EUR')""",
    "ANALYZE",
)


class Stored:
    """A database with much in it, and what is read of it."""

    def __init__(self, database: Database, target: str) -> None:
        """`target`: whose proposals are all over, but one."""
        self.database = database
        self.target = target

    async def fill(self, proposal_id: str, request_id: str) -> None:
        moment = f"now() - interval '1 day' - ({OVER} - n) * interval '1 minute'"
        copies = (
            ("requests", _REQUEST, OVER, request_id),
            ("proposals", _LONG_AGO.replace("moment", moment), OVER, proposal_id),
            ("proposals", _WAITING, OPEN, proposal_id),
        )
        made = [
            _COPIED.format(table=table, changes=changes, count=count, id=copied)
            for table, changes, count, copied in copies
        ]
        async with self.database.transaction() as connection:
            for statement in (*made, *_BESIDE):
                await connection.execute(text(statement))

    async def read_by(self, ask: Callable[[], Awaitable[object]]) -> Mapping[str, int]:
        """Return how many rows of each table are read when this is asked once more."""
        for _ in range(OFTEN):
            await ask()
        before = await self._read()
        await ask()
        after = await self._read()
        return {table: after[table] - before[table] for table in after}

    async def _read(self) -> Mapping[str, int]:
        """By this connection: the pool gives the one that was used last."""
        counted = "SELECT relname, seq_tup_read + coalesce(idx_tup_fetch, 0) AS rows FROM pg_stat_user_tables"
        async with self.database.single() as connection:
            await connection.execute(text("SELECT pg_stat_force_next_flush()"))
            return {row.relname: row.rows for row in await connection.execute(text(counted))}


@pytest.fixture
async def stored(migrated_database_url: str) -> AsyncIterator[Stored]:
    database = Database(migrated_database_url)
    one = await stored_proposal(database)
    found = Stored(database, one.action.target.key)
    await found.fill(one.id, (await stored_request(database)).id)
    yield found
    await database.close()


async def runs(_workflow_id: str) -> bool:
    return True


async def test_what_is_open_is_found_without_reading_what_is_over(stored: Stored) -> None:
    database, target = stored.database, stored.target
    configuration = parse("environments: {production: {}}")

    def asked(reading: Callable[[AsyncConnection], Awaitable[object]]) -> Callable[[], Awaitable[object]]:
        async def ask() -> object:
            async with database.transaction() as connection:
                return await reading(connection)

        return ask

    async def admit(connection: AsyncConnection) -> object:
        row = await halts.lock_out(connection, "prp_over_0007")
        return await admitting.read(connection, "prp_over_0007/1/forward", row, 3)

    questions: Mapping[str, Callable[[], Awaitable[object]]] = {
        "what nobody closed in time": OverdueProposals(database, configuration).expire,
        "what nobody plans any more": UnplannedRequests(database, configuration, runs).close,
        "what nobody ends any more": LostProposals(database, configuration, runs).hand_over,
        "what a window held": ExceptionSweeps(database, configuration).wake_opened,
        "what an ended halt held": asked(halts.tend),
        "what a halt would meet": asked(
            lambda connection: halt_reads.reach(connection, "default", HaltScope(tenant="default"))
        ),
        "what is to be delivered now": asked(
            lambda connection: outbox_queue.claim(
                connection, list(OutboxKind), limit=16, lease=timedelta(seconds=30)
            )
        ),
        "what still holds money": lambda: sweep_reservations(database),
        "what an alert would repeat": asked(
            lambda connection: coalescing.open_on(connection, "default", target)
        ),
        "what is about to change the fleet": asked(
            lambda connection: fleet.pending(connection, "default", [target, f"{target}-of-others"])
        ),
        "whose operations these are": asked(
            lambda connection: intents.owned_operations(connection, ["operation-1"])
        ),
        "whose operations these are, but for one": asked(
            lambda connection: intents.operations_of_others(connection, "prp_1/1/forward", ["operation-1"])
        ),
        "what let a pass through": asked(admit),
        "what somebody may do by now": asked(lambda connection: last_seen.last_seen(connection, [ANA, BEN])),
    }
    too_much: dict[str, dict[str, int]] = {}
    for name, ask in questions.items():
        found = await stored.read_by(ask)
        read = {table: rows for table, rows in found.items() if rows > LITTLE}
        too_much |= {name: read} if read else {}
    assert too_much == {}
