"""APPROVAL, looked back on: how each person decided in a span of time. Bounded by an index on time and a limit.

Approving everything at once, in seconds, is rubber-stamping; these figures show it. They decide nothing.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

_FIGURES = text("""
WITH votes AS (
    SELECT d.reviewer, d.kind, d.status, p.state,
        extract(epoch FROM d.created_at - e.created_at)::float8 AS seconds,
        d.document #> '{decision,on_behalf_of}' IS NOT NULL AS on_behalf,
        EXISTS (
            SELECT 1 FROM decisions o WHERE o.proposal_id = d.proposal_id AND o.reviewer <> d.reviewer
            AND o.kind = 'reject' AND o.status = 'applied'
        ) AS rejected_by_another
    FROM decisions d
    JOIN proposals p ON p.id = d.proposal_id AND p.tenant = :tenant
    LEFT JOIN evaluations e ON e.proposal_id = d.proposal_id AND e.revision = d.revision
        AND e.digest = d.document #>> '{decision,evaluation_digest}'
    WHERE d.created_at >= :since AND d.created_at < :until AND d.status IN ('applied', 'voided')
        AND (CAST(:reviewer AS text) IS NULL OR d.reviewer = :reviewer)
)
SELECT reviewer,
    count(*) FILTER (WHERE kind = 'approve') AS approvals,
    count(*) FILTER (WHERE kind = 'reject') AS rejections,
    count(*) FILTER (WHERE kind = 'request_change') AS change_requests,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) AS median_seconds,
    percentile_cont(0.9) WITHIN GROUP (ORDER BY seconds) AS p90_seconds,
    avg(CASE WHEN seconds < 10 THEN 1.0 WHEN seconds >= 10 THEN 0.0 END)::float8 AS under_ten_seconds,
    count(*) FILTER (WHERE kind = 'approve' AND status = 'applied' AND state IN ('rolled_back', 'dirty'))
        AS later_undone,
    count(*) FILTER (WHERE kind = 'approve' AND (status = 'voided' OR rejected_by_another)) AS overridden,
    count(*) FILTER (WHERE on_behalf) AS on_behalf
FROM votes GROUP BY reviewer ORDER BY count(*) DESC, reviewer LIMIT :most
""")


async def figures(
    connection: AsyncConnection,
    tenant: str,
    since: datetime,
    until: datetime,
    *,
    reviewer: str | None = None,
    most: int,
) -> list[Row[Any]]:
    """Return a row per person who decided in `[since, until)`, at most `most`; one person's where `reviewer` is given.

    Seconds count from the evaluation that the person saw, which is when the proposal began to wait for people.
    """
    given = {"tenant": tenant, "since": since, "until": until, "reviewer": reviewer, "most": most}
    return list((await connection.execute(_FIGURES, given)).all())
