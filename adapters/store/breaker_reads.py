"""Circuit breakers as people see them: what each one holds, and how it came to be so."""

from __future__ import annotations

import json
from collections.abc import Sequence

from sqlalchemy import ARRAY, LargeBinary, Text, bindparam, column, text
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import held_reads
from adapters.store.held_reads import Held
from contracts.audit import AuditEvent, AuditType
from contracts.holds import on_breaker

MOST_MOVES = 10
"""Moves listed per breaker; the audit log has them all."""

_MOVES = (
    text("""
    SELECT asked.id, moved.leaf
    FROM unnest(:ids) AS asked(id)
    CROSS JOIN LATERAL (
        SELECT e.leaf, e.ordinal FROM audit_events e
        WHERE e.subject = asked.id AND e.tenant = :tenant AND e.type = :type
        ORDER BY e.ordinal DESC LIMIT :most
    ) AS moved
    ORDER BY asked.id, moved.ordinal DESC
""")
    .bindparams(bindparam("ids", type_=ARRAY(Text)))
    .columns(column("id", Text), column("leaf", LargeBinary))
)


async def held(connection: AsyncConnection, tenant: str, breaker_ids: Sequence[str]) -> dict[str, Held]:
    """Return what each of these breakers holds."""
    found = await held_reads.held(connection, tenant, [on_breaker(breaker_id) for breaker_id in breaker_ids])
    return {breaker_id: found[on_breaker(breaker_id)] for breaker_id in breaker_ids}


async def moves(
    connection: AsyncConnection, tenant: str, breaker_ids: Sequence[str]
) -> dict[str, tuple[AuditEvent, ...]]:
    """Return the newest `breaker.moved` events of each of these breakers, newest first."""
    parameters = {
        "ids": list(breaker_ids),
        "tenant": tenant,
        "type": AuditType.BREAKER_MOVED.value,
        "most": MOST_MOVES,
    }
    found: dict[str, tuple[AuditEvent, ...]] = dict.fromkeys(breaker_ids, ())
    for row in (await connection.execute(_MOVES, parameters)).all():
        found[row.id] = (*found[row.id], AuditEvent.model_validate(json.loads(row.leaf)))
    return found
