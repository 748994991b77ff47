"""The writes of one stage in one round trip: every statement becomes a common table expression of one query.

PostgreSQL runs data-modifying WITH queries exactly once and to their end (PostgreSQL manual, 7.8.4). All of them
see the same snapshot, so no two statements of a batch may write the same row.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache

from pydantic import JsonValue
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import audit_log, outbox
from adapters.store.audit_log import AUDIT_CHANNEL
from adapters.store.driver import only_row
from adapters.store.outbox import OUTBOX_CHANNEL, OutboxKind
from adapters.store.writes import Write, numbered
from contracts.audit import AuditEvent
from contracts.errors import SluiceError


class Batch:
    """Statements, audit events and outbox rows that are collected first and sent together."""

    def __init__(self) -> None:
        """Begin empty."""
        self._steps: list[tuple[Write, SluiceError | None]] = []
        self._events: list[AuditEvent] = []
        self._queued = False

    def add(self, write: Write, *, otherwise: SluiceError | None = None) -> None:
        """Add a write. `otherwise` is raised by `send` unless it writes exactly one row."""
        self._steps.append((write, otherwise))

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
        query = _joined(tuple((write.sql, *write.values) for write, _ in steps), tuple(announced))
        values = tuple(value for write, _ in steps for value in write.values.values())
        row = await only_row(connection, query, values)
        for (_, otherwise), count in zip(steps, row, strict=False):
            if otherwise is not None and count != 1:
                raise otherwise


@lru_cache(512)
def _joined(shapes: tuple[tuple[str, ...], ...], announced: tuple[str, ...]) -> str:
    """Return one query of these writes, each a text and the names of its values, that says how many rows each wrote."""
    steps, after = [], 0
    for index, (sql, *names) in enumerate(shapes):
        steps.append(f"step_{index} AS ({numbered(sql, tuple(names), after)} RETURNING 1)")
        after += len(names)
    counts = [f"(SELECT count(*) FROM step_{index})" for index in range(len(shapes))]  # noqa: S608  a number
    notices = [f"pg_notify('{channel}', '')" for channel in announced]
    return f"WITH {', '.join(steps)} SELECT {', '.join(counts + notices)}"
