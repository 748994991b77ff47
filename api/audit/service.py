"""AUDIT over HTTP: numbered events, a checkpoint over all that is committed, and the whole log as a file.

A checkpoint and an export are made up to date when somebody asks: the sequencer numbers what is committed and signs.
"""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator

from adapters.audit.export import Entry, Note, export_lines
from adapters.store import audit_reads
from api.audit.schemas import CheckpointView, Events, NumberedEvent
from api.parts import ApiParts
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
    """Return a signed checkpoint over everything that is committed by now."""
    newest = await parts.sequencer.checkpoint()
    async with parts.database.reading() as connection:
        unnumbered = await audit_reads.unnumbered(connection)
    return CheckpointView(
        size=newest.size,
        root_hash=base64.b64encode(newest.root_hash).decode(),
        note=newest.note,
        created_at=newest.created_at,
        verifier_key=parts.audit_key.encode(),
        unnumbered=unnumbered,
    )


async def export(parts: ApiParts) -> AsyncIterator[bytes]:
    """Return the lines of the whole log up to a checkpoint made now (format: `adapters/audit/export.py`).

    The log is one tree for all tenants of a database, so the file has them all.

    Raises:
        StoreUnavailable: before the first line, so that the status still can say so.
    """
    newest = await parts.sequencer.checkpoint()
    async with parts.database.reading() as connection:
        notes = [Note(size, note) for size, note in await audit_reads.notes(connection, newest.size)]
        tail = await audit_reads.unnumbered(connection)
    return export_lines(_entries(parts, newest.size), notes, origin=parts.audit_key.name, tail=tail)


async def _entries(parts: ApiParts, size: int) -> AsyncIterator[Entry]:
    after = -1
    while after + 1 < size:
        async with parts.database.reading() as connection:
            rows = await audit_reads.page(connection, None, after=after, subject=None, limit=MAX_PAGE)
        for row in rows:
            yield Entry(row.number, row.leaf, row.leaf_hash)
        if not rows:
            return
        after = rows[-1].number
