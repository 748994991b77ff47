"""AUDIT, writing side: an event joins the transaction of the change it speaks of, still unnumbered.

The sequencer numbers committed rows afterwards; see `sequencer.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store.writes import Write, execute
from contracts.audit import AuditEvent, AuditType
from contracts.base import new_id, utc_now
from contracts.principal import Principal

AUDIT_CHANNEL = "sluice_audit"
"""NOTIFY channel that wakes the sequencer when a transaction with events commits."""


def event(
    kind: AuditType,
    *,
    tenant: str,
    subject: str,
    actor: Principal,
    payload: BaseModel | dict[str, object],
    at: datetime | None = None,
) -> AuditEvent:
    """Build an event. `payload` is the whole noun, or a plain JSON object."""
    plain = payload.model_dump(mode="json") if isinstance(payload, BaseModel) else payload
    return AuditEvent(
        id=new_id("evt"),
        type=kind,
        tenant=tenant,
        subject=subject,
        actor=actor,
        payload=dict(plain),
        at=at or utc_now(),
    )


# Arrays, so that the statement is the same, and stays prepared, whatever the number of events.
_INSERT = """
    INSERT INTO audit_events (id, type, tenant, subject, actor, leaf, created_at)
    SELECT id, type, tenant, subject, actor, leaf, created_at
    FROM unnest(
        CAST({id} AS text[]), CAST({type} AS text[]), CAST({tenant} AS text[]), CAST({subject} AS text[]),
        CAST({actor} AS text[]), CAST({leaf} AS bytea[]), CAST({created_at} AS timestamptz[])
    ) WITH ORDINALITY AS incoming (id, type, tenant, subject, actor, leaf, created_at, position)
    ORDER BY position"""


def inserting(events: Sequence[AuditEvent], leaves: Sequence[bytes] | None = None) -> Write:
    """Return the write that inserts events in this order. A `Batch` carries it along with others.

    `leaves`: the leaf of each, where they are made already.
    """
    return Write(
        _INSERT,
        {
            "id": [one.id for one in events],
            "type": [one.type.value for one in events],
            "tenant": [one.tenant for one in events],
            "subject": [one.subject for one in events],
            "actor": [one.actor.spelled for one in events],
            "leaf": [one.leaf_bytes() for one in events] if leaves is None else leaves,
            "created_at": [one.at for one in events],
        },
    )


_ANNOUNCED = f"RETURNING pg_notify('{AUDIT_CHANNEL}', '')"


async def append(connection: AsyncConnection, *events: AuditEvent) -> None:
    """Insert events in one round trip and announce them at commit."""
    if events:
        await execute(connection, inserting(events).ending(_ANNOUNCED))


async def append_again(connection: AsyncConnection, *events: AuditEvent) -> None:
    """As `append`, also where these very events may be there: the answer to an earlier commit may have been lost."""
    if events:
        await execute(connection, inserting(events).ending(f"ON CONFLICT (id) DO NOTHING {_ANNOUNCED}"))
