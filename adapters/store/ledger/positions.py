"""What a subject has reserved, read from its entries."""

from __future__ import annotations

from typing import get_args

from sqlalchemy import ColumnElement, and_, case, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store.ledger.accounts import EntryKind, Position, Subject
from adapters.store.schema import ledger_entries

_ENTRIES = ledger_entries.c


async def positions_of(connection: AsyncConnection, proposal_id: str) -> tuple[Position, ...]:
    """Return what a proposal has reserved, per budget window it ever posted to."""
    return await _positions(connection, _ENTRIES.proposal_id == proposal_id)


async def positions_of_subject(connection: AsyncConnection, subject: Subject) -> tuple[Position, ...]:
    """Return what a proposal or a request has reserved, per budget window it ever posted to."""
    if subject.proposal_id is not None:
        return await positions_of(connection, subject.proposal_id)
    mine = and_(_ENTRIES.proposal_id.is_(None), _ENTRIES.request_id == subject.request_id)
    return await _positions(connection, mine)


async def _positions(connection: AsyncConnection, mine: ColumnElement[bool]) -> tuple[Position, ...]:
    signed = case(
        (_ENTRIES.credit == "reserved", _ENTRIES.amount),
        (_ENTRIES.debit == "reserved", -_ENTRIES.amount),
        else_=0,
    )
    counts = {kind: func.count().filter(_ENTRIES.kind == kind).label(kind) for kind in get_args(EntryKind)}
    found = await connection.execute(
        select(
            _ENTRIES.scope,
            _ENTRIES.window,
            _ENTRIES.currency,
            func.sum(signed).label("open"),
            *counts.values(),
        )
        .where(mine)
        .group_by(_ENTRIES.scope, _ENTRIES.window, _ENTRIES.currency)
    )
    return tuple(
        Position(
            row["scope"], row["window"], row["currency"], row["open"], {kind: row[kind] for kind in counts}
        )
        for row in found.mappings()
    )
