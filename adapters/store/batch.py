"""The writes of one stage in one round trip: every statement becomes a common table expression of one query.

PostgreSQL runs data-modifying WITH queries exactly once and to their end (PostgreSQL manual, 7.8.4). All of them
see the same snapshot, so no two statements of a batch may write the same row.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from pydantic import JsonValue
from sqlalchemy import Insert, Update, func, literal_column, select
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import audit_log, outbox
from adapters.store.audit_log import AUDIT_CHANNEL
from adapters.store.outbox import OUTBOX_CHANNEL, OutboxKind
from contracts.audit import AuditEvent
from contracts.errors import SluiceError


class Batch:
    """Statements, audit events and outbox rows that are collected first and sent together."""

    def __init__(self) -> None:
        """Begin empty."""
        self._steps: list[tuple[Insert | Update, SluiceError | None]] = []
        self._events: list[AuditEvent] = []
        self._queued = False

    def add(self, statement: Insert | Update, *, otherwise: SluiceError | None = None) -> None:
        """Add a statement without RETURNING. `otherwise` is raised by `send` unless it writes exactly one row."""
        self._steps.append((statement, otherwise))

    def audit(self, *events: AuditEvent) -> None:
        """Add audit events; they keep this order."""
        self._events.extend(events)

    def queue(
        self,
        kind: OutboxKind,
        subject: str,
        payload: Mapping[str, JsonValue] | None = None,
        *,
        due_at: datetime | None = None,
    ) -> None:
        """Add an outbox row, for now or for later."""
        self._steps.append((outbox.inserting(kind, subject, payload, due_at=due_at), None))
        self._queued = True

    async def send(self, connection: AsyncConnection) -> None:
        """Run everything in the caller's transaction; announce events and outbox rows at its commit.

        Raises:
            SluiceError: the `otherwise` of a statement that did not write exactly one row.
        """
        steps = list(self._steps)
        announced = []
        if self._events:
            steps.append((audit_log.inserting(self._events), None))
            announced.append(AUDIT_CHANNEL)
        if self._queued:
            announced.append(OUTBOX_CHANNEL)
        if not steps:
            return
        written = [
            statement.returning(literal_column("1").label("one")).cte(f"step_{index}")
            for index, (statement, _) in enumerate(steps)
        ]
        counts = [select(func.count()).select_from(cte).scalar_subquery() for cte in written]
        notices = [
            func.pg_notify(literal_column(f"'{channel}'"), literal_column("''")) for channel in announced
        ]
        row = (await connection.execute(select(*counts, *notices))).one()
        for (_, otherwise), count in zip(steps, row, strict=False):
            if otherwise is not None and count != 1:
                raise otherwise
