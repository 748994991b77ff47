"""What the judges read: the tables as of one moment, and the audit events in the order of the log."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Table, select, text
from sqlalchemy.engine import Row

from adapters.store import schema
from adapters.store.database import Database
from contracts.audit import AuditEvent


@dataclass(frozen=True)
class Records:
    """The rows of one moment."""

    requests: Sequence[Row[Any]]
    proposals: Sequence[Row[Any]]
    evaluations: Sequence[Row[Any]]
    decisions: Sequence[Row[Any]]
    intents: Sequence[Row[Any]]
    entries: Sequence[Row[Any]]
    """Of the ledger, in the order of posting."""
    windows: Sequence[Row[Any]]
    notices: Sequence[Row[Any]]
    """Rows of the outbox that tell somebody: pages among them."""
    waiting: Sequence[Row[Any]]
    """Rows of the outbox that Temporal is still to get."""
    halts: Sequence[Row[Any]]
    events: Sequence[AuditEvent]

    def events_about(self) -> dict[str, list[AuditEvent]]:
        """Subject → its events in order."""
        found = defaultdict(list)
        for event in self.events:
            found[event.subject].append(event)
        return found


async def read(database: Database) -> Records:
    """Read everything as of one moment."""
    async with database.reading() as connection:
        # The connection's transaction has not begun: the first statement may still choose its isolation.
        await connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))

        async def rows(table: Table, *order: str) -> Sequence[Row[Any]]:
            return (await connection.execute(select(table).order_by(*(table.c[one] for one in order)))).all()

        # Those that are not numbered yet come last, in the order of their insertion: ascending puts nulls at the end.
        leaves = await rows(schema.audit_events, "number", "ordinal")
        outbox = await rows(schema.outbox, "id")
        return Records(
            requests=await rows(schema.requests, "id"),
            proposals=await rows(schema.proposals, "id"),
            evaluations=await rows(schema.evaluations, "proposal_id", "revision", "pass_number"),
            decisions=await rows(schema.decisions, "created_at"),
            intents=await rows(schema.intents, "key"),
            entries=await rows(schema.ledger_entries, "id"),
            windows=await rows(schema.budget_windows, "tenant", "scope", "window"),
            notices=[row for row in outbox if row.kind == "notify"],
            waiting=[row for row in outbox if row.kind != "notify" and row.done_at is None],
            halts=await rows(schema.halts, "id"),
            events=[AuditEvent.model_validate_json(row.leaf) for row in leaves],
        )
