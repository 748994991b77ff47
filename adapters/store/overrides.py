"""Overrides of a closed gate: one row, one audit event and one wake signal, in the caller's transaction."""

from __future__ import annotations

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import audit_log, outbox
from adapters.store.outbox import OutboxKind
from adapters.store.schema import gate_overrides
from contracts.audit import AuditType
from contracts.override import GateOverride


async def record(connection: AsyncConnection, override: GateOverride, *, tenant: str) -> None:
    """Keep an override and wake its proposal. Whoever calls has locked the proposal and judged the person."""
    await connection.execute(
        insert(gate_overrides).values(
            id=override.id,
            proposal_id=override.proposal_id,
            revision=override.revision,
            expires_at=override.expires_at,
            document=override.model_dump(mode="json"),
        )
    )
    event = audit_log.event(
        AuditType.GATE_OVERRIDDEN,
        tenant=tenant,
        subject=override.proposal_id,
        actor=override.actor,
        payload=override,
        at=override.at,
    )
    await audit_log.append(connection, event)
    await outbox.put(connection, OutboxKind.WAKE, override.proposal_id, {"override": override.id})


async def of_proposal(connection: AsyncConnection, proposal_id: str) -> tuple[GateOverride, ...]:
    """Return every override of a proposal, expired ones too, oldest first."""
    found = await connection.execute(
        select(gate_overrides.c.document).where(gate_overrides.c.proposal_id == proposal_id)
    )
    overrides = (GateOverride.model_validate(one) for one in found.scalars())
    return tuple(sorted(overrides, key=lambda one: (one.at, one.id)))
