"""The writes of one stage in one round trip: every statement becomes a common table expression of one query.

PostgreSQL runs data-modifying WITH queries exactly once and to their end (PostgreSQL manual, 7.8.4). All of them
see the same snapshot, so no two statements of a batch may write the same row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
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
from contracts.base import Sealed
from contracts.errors import SluiceError


@dataclass(frozen=True, slots=True)
class _Step:
    write: Write
    otherwise: SluiceError | None = None
    notice: tuple[str, str] | None = None
    """Channel and payload of what is announced where it wrote a row."""


class Batch:
    """Statements, audit events and outbox rows that are collected first and sent together."""

    def __init__(self) -> None:
        """Begin empty."""
        self._steps: list[_Step] = []
        self._events: list[AuditEvent] = []
        self._leaves: list[bytes] = []

    def add(self, write: Write, *, otherwise: SluiceError | None = None) -> None:
        """Add a write. `otherwise` is raised by `send` unless it writes exactly one row."""
        self._steps.append(_Step(write, otherwise=otherwise))

    def audit(self, *events: AuditEvent) -> None:
        """Add audit events; they keep this order."""
        self._events.extend(events)
        self._leaves.extend(one.leaf_bytes() for one in events)

    def audit_sealed(self, event: AuditEvent, kept: Sealed) -> None:
        """Add an audit event whose payload is `kept.document`: its canonical form is not made a second time."""
        self._events.append(event)
        self._leaves.append(event.leaf_bytes(kept.text))

    def queue(
        self,
        kind: OutboxKind,
        subject: str,
        payload: Mapping[str, JsonValue] | None = None,
        *,
        due_at: datetime | None = None,
    ) -> None:
        """Add an outbox row, for now or for later."""
        self._queue(outbox.inserting(kind, subject, payload, due_at=due_at), kind.value)

    def put(self, write: Write) -> None:
        """Add a write of outbox rows, or of none."""
        self._queue(write, "")

    def _queue(self, write: Write, kind: str) -> None:
        self._steps.append(_Step(write, notice=(OUTBOX_CHANNEL, kind)))

    async def send(self, connection: AsyncConnection) -> None:
        """Run everything in the caller's transaction; announce events and outbox rows at its commit.

        Raises:
            SluiceError: the `otherwise` of a statement that did not write exactly one row.
        """
        steps = list(self._steps)
        if self._events:
            steps.append(_Step(audit_log.inserting(self._events, self._leaves), notice=(AUDIT_CHANNEL, "")))
        if not steps:
            return
        shapes = tuple((one.write.sql, *one.write.values) for one in steps)
        query = _joined(shapes, tuple(one.notice for one in steps))
        values = tuple(value for one in steps for value in one.write.values.values())
        row = await only_row(connection, query, values)
        for one, count in zip(steps, row, strict=False):
            if one.otherwise is not None and count != 1:
                raise one.otherwise


@lru_cache(512)
def _joined(shapes: tuple[tuple[str, ...], ...], notices: tuple[tuple[str, str] | None, ...]) -> str:
    """Return one query of these writes, each a text and the names of its values, that says how many rows each wrote.

    A notice is sent when one of its writes wrote any.
    """
    steps, after = [], 0
    for index, (sql, *names) in enumerate(shapes):
        steps.append(f"step_{index} AS ({numbered(sql, tuple(names), after)} RETURNING 1)")
        after += len(names)
    counts = [f"(SELECT count(*) FROM step_{index})" for index in range(len(shapes))]  # noqa: S608  a number
    sent = [
        f"CASE WHEN {' + '.join(_of(one, counts, notices))} > 0 THEN pg_notify('{one[0]}', '{one[1]}') END"
        for one in dict.fromkeys(filter(None, notices))
    ]
    return f"WITH {', '.join(steps)} SELECT {', '.join(counts + sent)}"


def _of(notice: tuple[str, str], counts: list[str], notices: tuple[tuple[str, str] | None, ...]) -> list[str]:
    return [count for count, one in zip(counts, notices, strict=True) if one == notice]
