"""AUDIT, writing side: an event joins the transaction of the change it speaks of, still unnumbered.

The sequencer numbers committed rows afterwards; see `sequencer.py`.
"""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel
from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store.schema import audit_events
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


async def append(connection: AsyncConnection, *events: AuditEvent) -> None:
    """Insert events in one round trip and announce them at commit."""
    if not events:
        return
    rows = [
        {
            "id": one.id,
            "type": one.type.value,
            "tenant": one.tenant,
            "subject": one.subject,
            "leaf": one.leaf_bytes(),
            "created_at": one.at,
        }
        for one in events
    ]
    announced = insert(audit_events).values(rows).returning(text(f"pg_notify('{AUDIT_CHANNEL}', '')"))
    await connection.execute(announced)
