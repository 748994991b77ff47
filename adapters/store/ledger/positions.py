"""What a subject has reserved, read from its entries."""

from __future__ import annotations

from typing import get_args

from sqlalchemy import ColumnElement, and_, bindparam, case, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store.driver import Query, fixed
from adapters.store.ledger.accounts import EntryKind, Position, Subject
from adapters.store.schema import ledger_entries

_ENTRIES = ledger_entries.c
_KINDS = get_args(EntryKind)


def _positions(mine: ColumnElement[bool]) -> Query:
    signed = case(
        (_ENTRIES.credit == "reserved", _ENTRIES.amount),
        (_ENTRIES.debit == "reserved", -_ENTRIES.amount),
        else_=0,
    )
    counts = [func.count().filter(_ENTRIES.kind == kind).label(kind) for kind in _KINDS]
    window = (_ENTRIES.scope, _ENTRIES.window, _ENTRIES.currency)
    return fixed(select(*window, func.sum(signed).label("open"), *counts).where(mine).group_by(*window))


_OF_PROPOSAL = _positions(_ENTRIES.proposal_id == bindparam("subject"))
_OF_REQUEST = _positions(and_(_ENTRIES.proposal_id.is_(None), _ENTRIES.request_id == bindparam("subject")))


async def positions_of(connection: AsyncConnection, proposal_id: str) -> tuple[Position, ...]:
    """Return what a proposal has reserved, per budget window it ever posted to."""
    return await _asked(connection, _OF_PROPOSAL, proposal_id)


async def positions_of_subject(connection: AsyncConnection, subject: Subject) -> tuple[Position, ...]:
    """Return what a proposal or a request has reserved, per budget window it ever posted to."""
    if subject.proposal_id is not None:
        return await positions_of(connection, subject.proposal_id)
    return await _asked(connection, _OF_REQUEST, subject.request_id)


async def _asked(connection: AsyncConnection, query: Query, subject: str | None) -> tuple[Position, ...]:
    return tuple(
        Position(
            row["scope"], row["window"], row["currency"], row["open"], {kind: row[kind] for kind in _KINDS}
        )
        for row in await query.rows(connection, {"subject": subject})
    )
