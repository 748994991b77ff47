"""Whether the sums say what the entries say. A proof, not a part of the path: it reads the whole ledger of a tenant."""

from __future__ import annotations

from sqlalchemy import Text, column, text
from sqlalchemy.ext.asyncio import AsyncConnection

_SUMS = """
    SELECT coalesce(w.scope, e.scope) || ' ' || coalesce(w."window", e."window") AS place
    FROM (SELECT * FROM budget_windows WHERE tenant = :tenant) w
    FULL JOIN (
        SELECT scope, "window",
            sum(amount * ((credit = 'reserved')::int - (debit = 'reserved')::int)) AS reserved,
            sum(amount * ((credit = 'committed')::int - (debit = 'committed')::int)) AS committed,
            sum(hourly) AS hourly
        FROM ledger_entries WHERE tenant = :tenant GROUP BY scope, "window"
    ) e ON e.scope = w.scope AND e."window" = w."window"
    WHERE w.scope IS NULL OR (w.reserved, w.committed, w.hourly)
        IS DISTINCT FROM (coalesce(e.reserved, 0), coalesce(e.committed, 0), coalesce(e.hourly, 0))
    ORDER BY 1"""

_SUBJECTS = """
    SELECT coalesce(proposal_id, request_id) || ' ' || scope || ' ' || "window" AS place
    FROM ledger_entries WHERE tenant = :tenant AND kind <> 'opening'
    GROUP BY proposal_id, request_id, scope, "window"
    HAVING sum(amount * ((credit = 'reserved')::int - (debit = 'reserved')::int)) < 0
    ORDER BY 1"""

_CHECKS = tuple(
    (text(sql).columns(column("place", Text)), finding)
    for sql, finding in (
        (_SUMS, "its sums are not those of its entries"),
        (_SUBJECTS, "more was taken from its reservation than was in it"),
    )
)


async def verify(connection: AsyncConnection, tenant: str) -> tuple[str, ...]:
    """Recompute every window from its entries; return a sentence per window or subject that does not add up.

    Both reads are one moment each: call it at rest, or in a transaction of isolation level `REPEATABLE READ`.
    """
    found: list[str] = []
    for statement, finding in _CHECKS:
        places = await connection.execute(statement, {"tenant": tenant})
        found += [f"{place}: {finding}" for place in places.scalars()]
    return tuple(found)
