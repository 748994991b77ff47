"""APPROVAL, looked back on: `/v1/approvers`. Everybody sees their own figures; operators and admins see all."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.engine import Row

from adapters.store import approver_reads
from adapters.store.database import database_now
from api.approvers.schemas import ApproverFigures, Approvers
from api.parts import ApiParts
from api.problems import Problem
from contracts.principal import Principal, Role

USUAL = timedelta(days=30)
LONGEST = timedelta(days=366)
MOST = 200
"""People on the list."""


async def approvers(
    parts: ApiParts, caller: Principal, since: datetime | None, until: datetime | None
) -> Approvers:
    """Return the figures of a span of time, by default the last 30 days.

    Raises:
        Problem: 422, the span is none, or longer than a year.
    """
    own = None if {Role.OPERATOR, Role.ADMIN} & set(caller.roles) else caller.key
    async with parts.database.reading() as connection:
        end = until or await database_now(connection)
        start = since or end - USUAL
        if not timedelta(0) < end - start <= LONGEST:
            raise Problem(
                422, "span_invalid", f"Name a span that ends after it begins, of {LONGEST.days} days at most."
            )
        rows = await approver_reads.figures(connection, parts.tenant, start, end, reviewer=own, most=MOST + 1)
    return Approvers(
        since=start,
        until=end,
        items=tuple(figures_of(row) for row in rows[:MOST]),
        more=len(rows) > MOST,
        everybody=own is None,
    )


def figures_of(row: Row[Any]) -> ApproverFigures:
    """Return one person's figures."""
    decided = row.approvals + row.rejections
    return ApproverFigures(
        reviewer=row.reviewer,
        approvals=row.approvals,
        rejections=row.rejections,
        change_requests=row.change_requests,
        approval_rate=row.approvals / decided if decided else None,
        median_seconds=row.median_seconds,
        p90_seconds=row.p90_seconds,
        under_ten_seconds=row.under_ten_seconds,
        later_undone=row.later_undone,
        overridden=row.overridden,
        on_behalf=row.on_behalf,
    )
