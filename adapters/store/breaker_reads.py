"""Circuit breakers as people see them: what each one holds, who probes it, and how it came to be so."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ARRAY, LargeBinary, Text, bindparam, column, func, select, text
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store.breakers import held_on
from adapters.store.schema import proposals
from contracts.audit import AuditEvent, AuditType
from contracts.messages import summary_of
from contracts.proposal import Draft, ProposalState

MOST_HELD = 20
"""Proposals listed per breaker. The count is of all of them."""
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


@dataclass(frozen=True, slots=True)
class Waiting:
    """One proposal, in a line."""

    id: str
    state: ProposalState
    summary: str
    target: str


@dataclass(frozen=True, slots=True)
class Held:
    """What a breaker holds, in the order in which it goes on."""

    count: int
    first: tuple[Waiting, ...]


async def held(connection: AsyncConnection, tenant: str, breaker_ids: Sequence[str]) -> dict[str, Held]:
    """Return what each of these breakers holds."""
    keys = {held_on(breaker_id): breaker_id for breaker_id in breaker_ids}
    place = func.row_number().over(
        partition_by=proposals.c.held_on,
        order_by=(proposals.c.priority, proposals.c.created_at, proposals.c.id),
    )
    ranked = (
        select(proposals, place.label("place"), func.count().over(partition_by=proposals.c.held_on).label("total"))
        .where(
            proposals.c.tenant == tenant,
            proposals.c.held_on.in_(list(keys)),
            proposals.c.state == ProposalState.READY.value,
        )
        .subquery()
    )  # fmt: skip
    rows = await connection.execute(
        select(ranked).where(ranked.c.place <= MOST_HELD).order_by(ranked.c.held_on, ranked.c.place)
    )
    found = {breaker_id: Held(0, ()) for breaker_id in breaker_ids}
    for row in rows.all():
        breaker_id = keys[row.held_on]
        found[breaker_id] = Held(row.total, (*found[breaker_id].first, waiting_of(row)))
    return found


async def named(connection: AsyncConnection, tenant: str, proposal_ids: Sequence[str]) -> dict[str, Waiting]:
    """Return these proposals in a line each; those that are not there are left out."""
    wanted = select(proposals).where(proposals.c.tenant == tenant, proposals.c.id.in_(proposal_ids))
    return {row.id: waiting_of(row) for row in (await connection.execute(wanted)).all()}


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


def waiting_of(row: Row[Any]) -> Waiting:
    """Return a row of `proposals` in a line."""
    return Waiting(
        id=row.id,
        state=ProposalState(row.state),
        summary=summary_of(Draft.model_validate(row.draft).action),
        target=row.target_key,
    )
