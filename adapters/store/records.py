"""GUARDRAILS, in the store: first passes with the facts they judged by, newest first, as JSON made by the database.

The rows are large and only handed on, so they are not read into nouns here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Text, cast, func, literal_column, select, tuple_
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store.schema import evaluations, proposals


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordFilters:
    """Which passes. Each one given must match; `since` ≤ time of the pass < `until`."""

    since: datetime | None = None
    until: datetime | None = None
    environment: str | None = None
    team: str | None = None
    target: str | None = None


class RecordPosition(NamedTuple):
    """One first pass, in the order of the list."""

    created_at: datetime
    proposal_id: str
    revision: int


_ORDER = (evaluations.c.created_at, evaluations.c.proposal_id, evaluations.c.revision)


async def first_passes(
    connection: AsyncConnection,
    tenant: str,
    wanted: RecordFilters,
    *,
    after: RecordPosition | None,
    limit: int,
) -> Sequence[Row[Any]]:
    """Return up to `limit` rows of `created_at`, `proposal_id`, `revision` and `line`, a JSON object as text."""
    line = func.jsonb_build_object(
        literal_column("'proposal_id'"), evaluations.c.proposal_id,
        literal_column("'revision'"), evaluations.c.revision,
        literal_column("'at'"), evaluations.c.created_at,
        literal_column("'target'"), proposals.c.target_key,
        literal_column("'evaluation'"), evaluations.c.document,
        literal_column("'record'"), evaluations.c.facts,
    )  # fmt: skip
    found = (
        select(*_ORDER, cast(line, Text).label("line"))
        .join(proposals, proposals.c.id == evaluations.c.proposal_id)
        .where(literal_column("pass_number = 1"), proposals.c.tenant == tenant, *_conditions(wanted))
        .order_by(*[one.desc() for one in _ORDER])
        .limit(limit)
    )
    if after is not None:
        found = found.where(tuple_(*_ORDER) < tuple_(*after))
    return (await connection.execute(found)).all()


def _conditions(wanted: RecordFilters) -> list[ColumnElement[bool]]:
    named = {
        proposals.c.environment: wanted.environment,
        proposals.c.team: wanted.team,
        proposals.c.target_key: wanted.target,
    }
    found = [one == value for one, value in named.items() if value is not None]
    if wanted.since is not None:
        found.append(evaluations.c.created_at >= wanted.since)
    if wanted.until is not None:
        found.append(evaluations.c.created_at < wanted.until)
    return found


async def newest_record(
    connection: AsyncConnection, proposal_id: str, revision: int
) -> Row[Any, Any, Any] | None:
    """Return `document`, `facts` and `shadow` of the newest pass of a revision; None before the first."""
    found = (
        select(evaluations.c.document, evaluations.c.facts, evaluations.c.shadow)
        .where(evaluations.c.proposal_id == proposal_id, evaluations.c.revision == revision)
        .order_by(evaluations.c.pass_number.desc())
        .limit(1)
    )
    return (await connection.execute(found)).one_or_none()
