"""AUDIT over HTTP: read numbered events and the newest checkpoint. Nothing here writes."""

from __future__ import annotations

import json

from adapters.store import audit_reads, sequencer
from api.audit.schemas import CheckpointView, Events, NumberedEvent
from api.parts import ApiParts
from api.problems import Problem
from contracts.audit import AuditEvent

MAX_PAGE = 1_000
"""Events on one page."""


async def events(parts: ApiParts, after: int, subject: str | None, limit: int) -> Events:
    """Return one page above `after`, in the order of the tree."""
    async with parts.database.reading() as connection:
        rows = await audit_reads.page(connection, parts.tenant, after=after, subject=subject, limit=limit)
    items = tuple(
        NumberedEvent(
            number=row.number,
            leaf_hash=row.leaf_hash.hex(),
            event=AuditEvent.model_validate(json.loads(row.leaf)),
        )
        for row in rows
    )
    return Events(items=items, next_after=items[-1].number if len(items) == limit else None)


async def checkpoint(parts: ApiParts) -> CheckpointView:
    """Return the newest checkpoint.

    Raises:
        Problem: 404, none was signed yet.
    """
    async with parts.database.reading() as connection:
        newest = await sequencer.newest_checkpoint(connection)
        numbered, unnumbered = await audit_reads.counts(connection)
    if newest is None:
        raise Problem(
            404, "checkpoint_not_found", "No checkpoint was signed yet; the first comes in a minute."
        )
    return CheckpointView(
        size=newest.size,
        root_hash=newest.root_hash.hex(),
        note=newest.note,
        created_at=newest.created_at,
        numbered=numbered,
        unnumbered=unnumbered,
    )
