"""AUDIT over HTTP: numbered events, proofs, a checkpoint over all that is committed, the log as a file, the record.

A checkpoint and an export are made up to date when somebody asks: the sequencer numbers what is committed and signs.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any

from fastapi import Request
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.audit.export import Entry, Note, export_lines
from adapters.audit.proof import Proof, encoded
from adapters.store import audit_reads, audit_search, audit_tree
from adapters.store.audit_search import Order, Wanted
from adapters.store.audit_tree import StoredCheckpoint
from api.audit import csv_rows
from api.audit.course import Numbered
from api.audit.lines import words_of
from api.audit.record import record_of
from api.audit.schemas import About, CheckpointView, DecisionRecord, Events, Growth, NumberedEvent
from api.audit.verification import Source, Verifications
from api.parts import ApiParts, parts_of
from api.problems import Problem, not_found
from api.proposals import service as proposals
from contracts.action import ACTION
from contracts.audit import AuditEvent
from contracts.messages import summary_of
from contracts.principal import Principal

MAX_PAGE = 1_000
"""Events on one page."""
MAX_RECORD = 2_000
"""Events that a decision record is written from."""


async def events(
    parts: ApiParts,
    wanted: Wanted,
    *,
    after: int | None = None,
    before: int | None = None,
    order: Order = Order.OLDEST,
    limit: int,
) -> Events:
    """Return one page of the events with `after` < number < `before`, in that order."""
    async with parts.database.reading() as connection:
        rows = await audit_search.search(
            connection, parts.tenant, wanted, after=after, before=before, order=order, limit=limit + 1
        )
    items = tuple(_numbered(row) for row in rows[:limit])
    following = items[-1].number if len(rows) > limit else None
    if order is Order.OLDEST:
        return Events(items=items, next_after=following)
    return Events(items=items, next_before=following)


async def proposals_about(parts: ApiParts, items: Iterable[NumberedEvent]) -> dict[str, About]:
    """Return what the proposals are that these events are about, by id."""
    subjects = {item.event.subject for item in items if item.event}
    if not subjects:
        return {}
    async with parts.database.reading() as connection:
        rows = await audit_search.proposals_of(connection, parts.tenant, subjects)
    return {
        row.id: About(summary=summary_of(ACTION.validate_python(row.action)), environment=row.environment)
        for row in rows
    }


async def event(parts: ApiParts, number: int) -> NumberedEvent:
    """Return one event.

    Raises:
        Problem: 404.
    """
    async with parts.database.reading() as connection:
        row = await audit_search.find(connection, parts.tenant, number)
    if row is None:
        raise not_found("event")
    return _numbered(row)


UNREADABLE = "This cannot be read as an event: it is not what was written. Verify the log."


def _numbered(row: Row[Any, Any, Any]) -> NumberedEvent:
    event = _read(row.leaf)
    summary = words_of(event).text if event else UNREADABLE
    return NumberedEvent(number=row.number, leaf_hash=row.leaf_hash.hex(), summary=summary, event=event)


def _read(leaf: bytes) -> AuditEvent | None:
    """A log that somebody changed is looked at most of all: what cannot be read must not hide the rest."""
    try:
        return AuditEvent.model_validate(json.loads(leaf))
    except ValueError:
        return None


async def checkpoint(parts: ApiParts) -> CheckpointView:
    """Return a signed checkpoint over everything that is committed by now."""
    newest = await parts.sequencer.checkpoint()
    async with parts.database.reading() as connection:
        unnumbered = await audit_reads.unnumbered(connection)
    return CheckpointView(
        size=newest.size,
        root_hash=encoded(newest.root_hash),
        note=newest.note,
        created_at=newest.created_at,
        verifier_key=parts.audit_key.encode(),
        former_keys=tuple(key.encode() for key in parts.former_audit_keys),
        unnumbered=unnumbered,
    )


async def proof(parts: ApiParts, number: int, size: int | None) -> bytes:
    """Return one event with its proof (format: `adapters/audit/proof.py`), under the checkpoint of that size.

    Without a size it is the newest one that there is. Where that does not cover the event yet, one is made.

    Raises:
        Problem: 404, also for another tenant's event; 409 where the tree is not whole.
    """
    async with parts.database.reading() as connection:
        row = await audit_search.find(connection, parts.tenant, number)
        if row is None:
            raise not_found("event")
        if size is None:
            covering = await audit_tree.newest_checkpoint(connection)
        else:
            covering = await audit_tree.checkpoint_over(connection, size)
    if size is None and (covering is None or covering.size <= number):
        covering = await parts.sequencer.checkpoint()
    if covering is None or covering.size <= number:
        raise not_found("checkpoint")
    path = await _path(parts, audit_tree.prove_inclusion, number, covering.size)
    return Proof(Entry(number, row.leaf, row.leaf_hash), tuple(path), covering.note).encode()


async def consistency(parts: ApiParts, old: int) -> Growth:
    """Return a checkpoint over everything that is committed by now, and the proof that it extends one over `old`.

    Raises:
        Problem: 404 where the log has fewer; 409 where the tree is not whole.
    """
    shown = await checkpoint(parts)
    if old > shown.size:
        raise Problem(404, "checkpoint_not_found", f"The log has {shown.size} entries, not {old}.")
    path = await _path(parts, audit_tree.prove_consistency, old, shown.size) if old else []
    return Growth(old=old, checkpoint=shown, path=tuple(map(encoded, path)))


async def _path(
    parts: ApiParts, prove: Callable[[AsyncConnection, int, int], Awaitable[list[bytes]]], old: int, size: int
) -> list[bytes]:
    try:
        async with parts.database.reading() as connection:
            return await prove(connection, old, size)
    except KeyError as error:
        told = "Entries are gone that a checkpoint was signed over: verify the log."
        raise Problem(409, "audit_log_cut_off", told) from error


async def export(parts: ApiParts) -> AsyncIterator[bytes]:
    """Return the lines of the whole log up to a checkpoint made now (format: `adapters/audit/export.py`).

    The log is one tree for all tenants of a database, so the file has them all.

    Raises:
        StoreUnavailable: before the first line, so that the status still can say so.
    """
    return (await _whole_log(parts)).lines


async def export_csv(parts: ApiParts, wanted: Wanted) -> AsyncIterator[bytes]:
    """Return the rows of the events up to now, by rising number (format: `api/audit/csv_rows.py`).

    Raises:
        StoreUnavailable: before the first row.
    """
    newest = await parts.sequencer.checkpoint()
    return _rows(parts, wanted, newest.size)


async def _rows(parts: ApiParts, wanted: Wanted, size: int) -> AsyncIterator[bytes]:
    yield csv_rows.header_row()
    after: int | None = None
    while True:
        page = await events(parts, wanted, after=after, before=size, limit=MAX_PAGE)
        yield csv_rows.event_rows(page.items)
        after = page.next_after
        if after is None:
            return


async def record(parts: ApiParts, proposal_id: str, caller: Principal) -> DecisionRecord:
    """Return the decision record of a proposal.

    Raises:
        Problem: 404, also for another tenant's.
    """
    view = await proposals.show(parts, proposal_id, caller)
    subjects = [proposal_id, *([view.request_id] if view.request_id else [])]
    async with parts.database.reading() as connection:
        rows = await audit_search.about(connection, parts.tenant, subjects, MAX_RECORD + 1)
    read = [(row.number, _read(row.leaf)) for row in rows[:MAX_RECORD]]
    found = [Numbered(number, event) for number, event in read if event is not None]
    return record_of(view, found, is_complete=len(found) == len(rows))


def verifications_of(request: Request) -> Verifications:
    """Return the verifications of the process that serves this request."""
    state = request.app.state
    if not hasattr(state, "audit_verifications"):
        parts = parts_of(request)

        async def open_source() -> Source:
            return await _whole_log(parts)

        state.audit_verifications = Verifications(
            open_source, parts.audit_key, parts.public_keys, former_keys=parts.former_audit_keys
        )
    found: Verifications = state.audit_verifications
    return found


async def _whole_log(parts: ApiParts) -> Source:
    newest = await parts.sequencer.checkpoint()
    async with parts.database.reading() as connection:
        notes = [Note(size, note) for size, note in await audit_reads.notes(connection, newest.size)]
        tail = await audit_reads.unnumbered(connection)
    lines = export_lines(_entries(parts, newest), notes, origin=parts.audit_key.name, tail=tail)
    return Source(newest.size, newest.note, lines)


async def _entries(parts: ApiParts, until: StoredCheckpoint) -> AsyncIterator[Entry]:
    after = -1
    while after + 1 < until.size:
        async with parts.database.reading() as connection:
            rows = await audit_reads.page(connection, None, after=after, subject=None, limit=MAX_PAGE)
        for row in rows:
            yield Entry(row.number, row.leaf, row.leaf_hash)
        if not rows:
            return
        after = rows[-1].number
