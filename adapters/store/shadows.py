"""GUARDRAILS, in the store: what a candidate policy in shadow would have made of first passes, beside what was decided.

First passes only: a proposal that waits is judged again and again, and would count as often.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Numeric, Select, cast, func, literal_column, select
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store.schema import evaluations, proposals

_SHADOW, _COST = evaluations.c.shadow, evaluations.c.document["cost"]
_live = evaluations.c.outcome
_candidate = _SHADOW["outcome"].astext
_revision = _SHADOW["revision"].astext
_MONTHLY = cast(_COST["monthly_delta"].astext, Numeric)
_CURRENCY = _COST["currency"].astext


def _asked(columns: Sequence[Any], tenant: str, within: timedelta) -> Select[Any]:
    return (
        select(*columns)
        .join(proposals, proposals.c.id == evaluations.c.proposal_id)
        .where(
            literal_column("shadow is not null"),
            literal_column("pass_number = 1"),
            proposals.c.tenant == tenant,
            evaluations.c.created_at > func.now() - within,
        )
    )


async def revisions(
    connection: AsyncConnection, tenant: str, within: timedelta
) -> Sequence[tuple[str, datetime]]:
    """Return the candidates that answered, each with the time of its latest answer; the latest first."""
    latest = func.max(evaluations.c.created_at)
    wanted = _asked((_revision, latest), tenant, within).where(_candidate.is_not(None))
    rows = (await connection.execute(wanted.group_by(_revision).order_by(latest.desc()))).all()
    return [(row[0], row[1]) for row in rows]


async def pairs(
    connection: AsyncConnection, tenant: str, within: timedelta, revision: str
) -> Sequence[Row[Any]]:
    """Return `live`, `candidate`, `currency`, `count` and `monthly` for one candidate; no currency = not priced."""
    columns = (
        _live.label("live"),
        _candidate.label("candidate"),
        _CURRENCY.label("currency"),
        func.count().label("count"),
        func.sum(_MONTHLY).label("monthly"),
    )
    wanted = _asked(columns, tenant, within).where(_candidate.is_not(None), _revision == revision)
    grouped = wanted.group_by(_live, _candidate, _CURRENCY)
    found: Sequence[Row[Any]] = (await connection.execute(grouped)).all()
    return found


async def unanswered(connection: AsyncConnection, tenant: str, within: timedelta) -> dict[str, int]:
    """Return how often a candidate gave no answer, by reason code."""
    code = func.coalesce(_SHADOW["error"].astext, "shadow_unavailable")
    wanted = _asked((code, func.count()), tenant, within).where(_candidate.is_(None)).group_by(code)
    return {row[0]: row[1] for row in (await connection.execute(wanted)).all()}


async def disagreements(
    connection: AsyncConnection, tenant: str, within: timedelta, revision: str, limit: int
) -> Sequence[Row[Any]]:
    """Return the newest first passes that the candidate would have decided otherwise."""
    columns = (
        evaluations.c.proposal_id,
        evaluations.c.revision,
        evaluations.c.created_at,
        _live.label("live"),
        _candidate.label("candidate"),
        _SHADOW["violations"].label("violations"),
        evaluations.c.document["verdicts"].label("verdicts"),
        _MONTHLY.label("monthly"),
        _CURRENCY.label("currency"),
        proposals.c.target_key,
        proposals.c.draft["action"].label("action"),
    )
    wanted = _asked(columns, tenant, within).where(
        _candidate.is_not(None), _revision == revision, _live != _candidate
    )
    newest = wanted.order_by(evaluations.c.created_at.desc()).limit(limit)
    found: Sequence[Row[Any]] = (await connection.execute(newest)).all()
    return found
