"""APPROVAL: what people say about a proposal beside their decisions. A comment moves nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import audit_log
from adapters.store.schema import comments
from contracts.audit import AuditType
from contracts.base import new_id
from contracts.principal import Principal

MAX_SHOWN = 500
"""Comments of one proposal that a reader gets: the newest."""


async def add(
    connection: AsyncConnection, *, tenant: str, proposal_id: str, revision: int, author: Principal, text: str
) -> str:
    """Store a comment with its audit event, and return its id. The proposal exists."""
    comment_id = new_id("cmt")
    await connection.execute(
        insert(comments).values(
            id=comment_id,
            proposal_id=proposal_id,
            revision=revision,
            author=author.model_dump(mode="json"),
            text=text,
        )
    )
    payload: dict[str, object] = {
        "comment_id": comment_id,
        "proposal_id": proposal_id,
        "revision": revision,
        "text": text,
    }
    event = audit_log.event(
        AuditType.PROPOSAL_COMMENTED, tenant=tenant, subject=proposal_id, actor=author, payload=payload
    )
    await audit_log.append(connection, event)
    return comment_id


async def of_proposal(connection: AsyncConnection, proposal_id: str) -> Sequence[Row[Any]]:
    """Return the newest comments of a proposal, oldest first."""
    wanted = (
        select(comments)
        .where(comments.c.proposal_id == proposal_id)
        .order_by(comments.c.created_at.desc(), comments.c.id.desc())
        .limit(MAX_SHOWN)
    )
    return (await connection.execute(wanted)).all()[::-1]
