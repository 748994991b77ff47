"""What people see of proposals: reads only, every one scoped to a tenant, none of them locking."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import select, tuple_
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store.proposal_filters import ProposalFilters, conditions, summaries
from adapters.store.proposal_filters import newest_evaluation as newest_of
from adapters.store.schema import audit_events, decisions, evaluations, intents, proposals
from contracts.audit import AuditEvent
from contracts.evaluation import Evaluation
from contracts.proposal import ProposalState

MAX_TIMELINE = 500
"""Events of one proposal that a reader gets, the newest; the audit log has them all."""


EVERYTHING = ProposalFilters()


class Position(NamedTuple):
    """Where a page ends: lists go from the newest to the oldest."""

    created_at: datetime
    id: str


async def find(connection: AsyncConnection, tenant: str, proposal_id: str) -> Row[Any] | None:
    """Return the proposal's row, or None."""
    wanted = select(proposals).where(proposals.c.id == proposal_id, proposals.c.tenant == tenant)
    return (await connection.execute(wanted)).one_or_none()


async def page(
    connection: AsyncConnection,
    tenant: str,
    *,
    states: Sequence[ProposalState] = (),
    filters: ProposalFilters = EVERYTHING,
    after: Position | None = None,
    limit: int,
) -> Sequence[Row[Any]]:
    """Return up to `limit` rows, newest first, each with the newest evaluation's `outcome` and `monthly_delta`."""
    newest = newest_of()
    wanted = (
        summaries(newest)
        .where(proposals.c.tenant == tenant, *conditions(filters, newest))
        .order_by(proposals.c.created_at.desc(), proposals.c.id.desc())
        .limit(limit)
    )
    if states:
        wanted = wanted.where(proposals.c.state.in_([state.value for state in states]))
    if after is not None:
        wanted = wanted.where(tuple_(proposals.c.created_at, proposals.c.id) < tuple_(*after))
    found: Sequence[Row[Any]] = (await connection.execute(wanted)).all()
    return found


async def newest_evaluation(
    connection: AsyncConnection, proposal_id: str, revision: int
) -> Evaluation | None:
    """Return the newest pass of this revision, or None before the first."""
    wanted = (
        select(evaluations.c.document)
        .where(evaluations.c.proposal_id == proposal_id, evaluations.c.revision == revision)
        .order_by(evaluations.c.pass_number.desc())
        .limit(1)
    )
    document = (await connection.execute(wanted)).scalar_one_or_none()
    return None if document is None else Evaluation.model_validate(document)


async def votes(connection: AsyncConnection, proposal_id: str) -> Sequence[Row[Any]]:
    """Return every stored decision of every revision, oldest first."""
    wanted = select(decisions).where(decisions.c.proposal_id == proposal_id)
    ordered = wanted.order_by(decisions.c.created_at, decisions.c.id)
    return (await connection.execute(ordered)).all()


async def effects(connection: AsyncConnection, proposal_id: str) -> Sequence[Row[Any]]:
    """Return the intents of a proposal with their receipts and verifications, oldest first."""
    wanted = select(intents).where(intents.c.proposal_id == proposal_id).order_by(intents.c.created_at)
    return (await connection.execute(wanted)).all()


async def timeline(connection: AsyncConnection, tenant: str, proposal_id: str) -> list[AuditEvent]:
    """Return the newest audit events that speak of the proposal, in the order they were written."""
    wanted = (
        select(audit_events.c.leaf)
        .where(audit_events.c.subject == proposal_id, audit_events.c.tenant == tenant)
        .order_by(audit_events.c.ordinal.desc())
        .limit(MAX_TIMELINE)
    )
    leaves = (await connection.execute(wanted)).scalars().all()
    return [AuditEvent.model_validate(json.loads(leaf)) for leaf in reversed(leaves)]


async def of_request(connection: AsyncConnection, tenant: str, request_id: str) -> list[str]:
    """Return the ids of the proposals that came from a request, oldest first."""
    wanted = (
        select(proposals.c.id)
        .where(proposals.c.request_id == request_id, proposals.c.tenant == tenant)
        .order_by(proposals.c.created_at, proposals.c.id)
    )
    return list((await connection.execute(wanted)).scalars())
