"""Circuit breakers: since when one stops. Its row tells of the last opening only; the audit log knows of the first."""

from __future__ import annotations

import json
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store.driver import query
from contracts.audit import AuditEvent, AuditType
from contracts.safety import Breaker, BreakerState

_MEMBER = """position(convert_to('"{0}":"{1}"', 'UTF8') IN leaf) > 0"""
"""A leaf is canonical JSON: what a person wrote has its quotes escaped, and is never taken for a member."""
_FIRST = query(f"""
    SELECT leaf FROM audit_events
    WHERE subject = :breaker_id AND type = '{AuditType.BREAKER_MOVED}'
        AND {_MEMBER.format("from", BreakerState.CLOSED)} AND NOT {_MEMBER.format("to", BreakerState.CLOSED)}
    ORDER BY ordinal DESC LIMIT 1""")  # noqa: S608  constants


async def stopped_since(connection: AsyncConnection, breaker: Breaker) -> datetime | None:
    """Return when a breaker that is not closed left the closed state; its last opening where the log does not say."""
    row = await _FIRST.first_row(connection, {"breaker_id": breaker.id})
    if row is None:
        return breaker.opened_at
    moved = AuditEvent.model_validate(json.loads(row.leaf))
    return Breaker.model_validate(moved.payload["breaker"]).opened_at
