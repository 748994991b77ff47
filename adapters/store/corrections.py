"""APPROVAL, learnt from: rejections, requests for change, edits; with what was asked and proposed. Reads only."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, func, select
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store.schema import decisions, proposals, requests, revisions
from contracts.decision import DecisionKind, DecisionStatus

_AGAINST = (DecisionKind.REJECT.value, DecisionKind.REQUEST_CHANGE.value)
_TAKEN = (DecisionStatus.APPLIED.value, DecisionStatus.VOIDED.value, DecisionStatus.SUPERSEDED.value)


async def words(
    connection: AsyncConnection, tenant: str, since: datetime | None, limit: int
) -> Sequence[Row[Any]]:
    """Return decisions against a revision, oldest first: `document`, `draft` (that revision's), `edited`, `request`.

    `edited` is the draft that somebody put in its place, or None.
    """
    edited = revisions.alias("edited")
    wanted: Select[Any] = (
        select(
            decisions.c.document,
            decisions.c.created_at,
            func.coalesce(edited.c.replaced, proposals.c.draft).label("draft"),
            edited.c.draft.label("edited"),
            requests.c.document.label("request"),
        )
        .join(proposals, proposals.c.id == decisions.c.proposal_id)
        .outerjoin(requests, requests.c.id == proposals.c.request_id)
        .outerjoin(
            edited,
            and_(
                edited.c.proposal_id == decisions.c.proposal_id,
                edited.c.revision == decisions.c.revision + 1,
            ),
        )
        .where(proposals.c.tenant == tenant, decisions.c.kind.in_(_AGAINST), decisions.c.status.in_(_TAKEN))
        .order_by(decisions.c.created_at, decisions.c.id)
        .limit(limit)
    )
    if since is not None:
        wanted = wanted.where(decisions.c.created_at >= since)
    found: Sequence[Row[Any]] = (await connection.execute(wanted)).all()
    return found


async def edits(
    connection: AsyncConnection, tenant: str, since: datetime | None, limit: int
) -> Sequence[Row[Any]]:
    """Return edits, oldest first: `draft` (what was proposed), `edited`, `editor`, `reason_name`, `request`."""
    wanted: Select[Any] = (
        select(
            revisions.c.proposal_id,
            revisions.c.replaced.label("draft"),
            revisions.c.draft.label("edited"),
            revisions.c.editor,
            revisions.c.reason_name,
            revisions.c.created_at,
            requests.c.document.label("request"),
        )
        .join(proposals, proposals.c.id == revisions.c.proposal_id)
        .outerjoin(requests, requests.c.id == proposals.c.request_id)
        .where(proposals.c.tenant == tenant)
        .order_by(revisions.c.created_at, revisions.c.proposal_id, revisions.c.revision)
        .limit(limit)
    )
    if since is not None:
        wanted = wanted.where(revisions.c.created_at >= since)
    found: Sequence[Row[Any]] = (await connection.execute(wanted)).all()
    return found
