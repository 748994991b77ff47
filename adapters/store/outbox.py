"""The hand-off from a committed transaction to Temporal and to webhooks; the dispatcher delivers, at least once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum

from opentelemetry.propagate import inject
from pydantic import JsonValue
from sqlalchemy import bindparam, func, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store.driver import fixed
from adapters.store.schema import outbox
from adapters.store.writes import Write, execute
from contracts.configuration import NotificationEvent

OUTBOX_CHANNEL = "sluice_outbox"
"""NOTIFY channel that wakes the dispatcher; the payload is the kind of the row, empty where rows are of several."""


class OutboxKind(StrEnum):
    """What the dispatcher does with a row."""

    START_REQUEST = "start_request"
    """Start `RequestWorkflow`; subject = request id."""
    START_PROPOSAL = "start_proposal"
    """Start `ProposalWorkflow`; subject = proposal id."""
    DECIDE = "decide"
    """Deliver the stored decision as an Update; subject = decision id."""
    WAKE = "wake"
    """Signal the workflow that something it waits for changed; subject = proposal id."""
    NOTIFY = "notify"
    """Send a signed webhook; subject = what it is about."""


_INSERT = """
    INSERT INTO outbox (kind, subject, payload, trace_context, due_at)
    VALUES ({kind}, {subject}, {payload}, {trace_context},
        coalesce(CAST({due_at} AS timestamptz), now() + CAST({delay} AS interval)))"""


def inserting(
    kind: OutboxKind,
    subject: str,
    payload: Mapping[str, JsonValue] | None = None,
    *,
    delay: timedelta = timedelta(0),
    due_at: datetime | None = None,
) -> Write:
    """Return the write that `put` runs, without the announcement. A `Batch` carries it along with others."""
    carrier: dict[str, str] = {}
    inject(carrier)
    return Write(
        _INSERT,
        {
            "kind": kind.value,
            "subject": subject,
            "payload": json.dumps(dict(payload or {}), allow_nan=False),
            "trace_context": json.dumps(carrier),
            "due_at": due_at,
            "delay": delay,
        },
    )


def notice(event: NotificationEvent, proposal_id: str, reason_code: str) -> dict[str, JsonValue]:
    """Return the payload of a webhook about a proposal."""
    return {"event": event.value, "proposal_id": proposal_id, "reason_code": reason_code}


_WAKE = """
    INSERT INTO outbox (kind, subject, payload, trace_context)
    SELECT {kind}, id, CAST({payload} AS jsonb), CAST({trace_context} AS jsonb) FROM proposals
    WHERE held_on = {held_on} AND state = 'ready'
    ORDER BY priority, created_at, id LIMIT 1"""


def waking(held_on: str) -> Write:
    """Return the write that wakes the first that `held_on` holds: by priority, then first come."""
    carrier: dict[str, str] = {}
    inject(carrier)
    values = {"kind": OutboxKind.WAKE.value, "payload": json.dumps({"held_on": held_on})}
    return Write(_WAKE, values | {"trace_context": json.dumps(carrier), "held_on": held_on})


async def put(
    connection: AsyncConnection,
    kind: OutboxKind,
    subject: str,
    payload: Mapping[str, JsonValue] | None = None,
    *,
    delay: timedelta = timedelta(0),
) -> int:
    """Insert a row in the open transaction and return its id. The present trace context travels with it.

    `delay` leaves a caller that tries Temporal itself the time to do so and to `settle` the row; nobody is woken then.
    """
    write = inserting(kind, subject, payload, delay=delay)
    woken = "" if delay else f", pg_notify('{OUTBOX_CHANNEL}', '{kind.value}')"
    row = await execute(connection, write.ending(f"RETURNING id{woken}"))
    if row is None:
        raise LookupError("the insert returned no row")
    return int(row.id)


_SETTLE = fixed(
    update(outbox)
    .where(outbox.c.id == bindparam("row_id"), outbox.c.done_at.is_(None))
    .values(done_at=func.clock_timestamp(), last_error=None)
)


async def settle(connection: AsyncConnection, row_id: int) -> None:
    """Mark a row as delivered. A second call changes nothing."""
    await _SETTLE.first_row(connection, {"row_id": row_id})
