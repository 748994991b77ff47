"""AUDIT, writing side: an event joins the transaction of the change it speaks of, still unnumbered.

The sequencer numbers committed rows afterwards; see `sequencer.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel
from sqlalchemy import ARRAY, DateTime, Insert, LargeBinary, Text, column, func, insert, literal, select, text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import TypeEngine

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


def inserting(events: Sequence[AuditEvent]) -> Insert:
    """Return the statement that inserts events in this order. A `Batch` carries it along with other writes."""
    columns: dict[str, tuple[TypeEngine[Any], list[Any]]] = {
        "id": (Text(), [one.id for one in events]),
        "type": (Text(), [one.type.value for one in events]),
        "tenant": (Text(), [one.tenant for one in events]),
        "subject": (Text(), [one.subject for one in events]),
        "actor": (Text(), [f"{one.actor.issuer}/{one.actor.subject}" for one in events]),
        "leaf": (LargeBinary(), [one.leaf_bytes() for one in events]),
        "created_at": (DateTime(timezone=True), [one.at for one in events]),
    }
    # Arrays, so that the statement is the same, and stays prepared, whatever the number of events.
    arrays = [literal(values, ARRAY(kind)) for kind, values in columns.values()]
    shape = [column(name, kind) for name, (kind, _) in columns.items()]
    incoming = func.unnest(*arrays).table_valued(*shape, with_ordinality="position").render_derived()
    rows = select(*[incoming.c[name] for name in columns]).order_by(incoming.c.position)
    return insert(audit_events).from_select(list(columns), rows)


async def append(connection: AsyncConnection, *events: AuditEvent) -> None:
    """Insert events in one round trip and announce them at commit."""
    if events:
        await connection.execute(inserting(events).returning(text(f"pg_notify('{AUDIT_CHANNEL}', '')")))
