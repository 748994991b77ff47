"""Budgets as people see them: sums, postings over time and what models cost, read without locking anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import ARRAY, BigInteger, Date, Integer, Text, bindparam, column, text
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store.ledger import Balance, EntryKind, Wanted, WindowKey, windows
from adapters.store.schema import Moment, Money

BUCKETS = 118
"""Parts a window is cut into. With its start and the present moment a chart gets at most 120 points."""

_POSTINGS = text("""
    SELECT w.scope, w.window_key, e.kind,
        greatest(1, least(:buckets, width_bucket(
            extract(epoch FROM e.at), extract(epoch FROM w.starts_at), extract(epoch FROM w.ends_at),
            :buckets))) AS bucket,
        sum(CASE WHEN e.gives_back THEN -e.amount ELSE e.amount END) AS amount,
        to_timestamp(coalesce(
            sum(e.amount * extract(epoch FROM e.at)) / nullif(sum(e.amount), 0),
            extract(epoch FROM min(e.at)))::double precision) AS at
    FROM unnest(:scopes, :windows, :starts, :ends) AS w(scope, window_key, starts_at, ends_at)
    JOIN LATERAL (
        SELECT kind, amount, kind = 'adjust' AND credit = 'available' AS gives_back,
            CASE kind WHEN 'opening' THEN w.starts_at ELSE created_at END AS at
        FROM ledger_entries
        WHERE tenant = :tenant AND scope = w.scope AND "window" = w.window_key
    ) e ON true
    GROUP BY 1, 2, 3, 4, e.gives_back
    ORDER BY 1, 2, 4, 3, e.gives_back
""").columns(
    column("scope", Text),
    column("window_key", Text),
    column("kind", Text),
    column("bucket", BigInteger),
    column("amount", Money),
    column("at", Moment),
)
_POSTINGS = _POSTINGS.bindparams(
    bindparam("buckets", type_=Integer),
    *[bindparam(name, type_=ARRAY(Text)) for name in ("scopes", "windows")],
    *[bindparam(name, type_=ARRAY(Moment)) for name in ("starts", "ends")],
)

_MODEL_COST = text("""
    SELECT (r.created_at AT TIME ZONE 'UTC')::date AS day,
        sum(CASE WHEN step ->> 'cost_usd' ~ '^[0-9]{1,12}([.][0-9]+)?$'
            THEN (step ->> 'cost_usd')::numeric ELSE 0 END) AS cost,
        count(DISTINCT r.id) AS requests
    FROM requests r CROSS JOIN LATERAL jsonb_array_elements(r.steps) AS step
    WHERE r.tenant = :tenant AND r.created_at >= :since AND step ->> 'kind' = 'model'
    GROUP BY 1 ORDER BY 1
""").columns(column("day", Date), column("cost", Money), column("requests", BigInteger))


@dataclass(frozen=True, slots=True)
class WindowSpan:
    """One budget window: its key and the time it covers."""

    scope: str
    window: str
    starts_at: datetime
    ends_at: datetime

    @property
    def key(self) -> WindowKey:
        """Scope and window."""
        return (self.scope, self.window)


@dataclass(frozen=True, slots=True)
class Posted:
    """All entries of one kind in one of `BUCKETS` equal parts of a window."""

    bucket: int
    """1 to `BUCKETS`."""
    kind: EntryKind
    amount: Decimal
    """Negative for an `adjust` that gives back."""
    at: datetime
    """When, on average, weighted by amount."""


@dataclass(frozen=True, slots=True)
class ModelCost:
    """What models cost on one day (UTC), in US dollars by the configured token prices."""

    day: date
    cost: Decimal
    requests: int


async def balances(
    connection: AsyncConnection, tenant: str, wanted: Sequence[Wanted]
) -> dict[WindowKey, Balance]:
    """Return the sums of each window. One that nobody opened yet is shown as its first change would open it."""
    return {one.key: one for one in await windows.look(connection, tenant, wanted)}


async def postings(
    connection: AsyncConnection, tenant: str, spans: Sequence[WindowSpan]
) -> dict[WindowKey, tuple[Posted, ...]]:
    """Return what was posted to each window, bundled by part and kind, in the order of time.

    The work grows with the entries of these windows only.
    """
    found: dict[WindowKey, list[Posted]] = {span.key: [] for span in spans}
    if spans:
        rows = await connection.execute(
            _POSTINGS,
            {
                "tenant": tenant,
                "buckets": BUCKETS,
                "scopes": [one.scope for one in spans],
                "windows": [one.window for one in spans],
                "starts": [one.starts_at for one in spans],
                "ends": [one.ends_at for one in spans],
            },
        )
        for row in rows.all():
            found[row.scope, row.window_key].append(Posted(row.bucket, row.kind, row.amount, row.at))
    return {key: tuple(posted) for key, posted in found.items()}


async def model_costs(connection: AsyncConnection, tenant: str, since: datetime) -> tuple[ModelCost, ...]:
    """Return what the model calls of requests since a moment cost, by day; days without any are left out."""
    rows = await connection.execute(_MODEL_COST, {"tenant": tenant, "since": since})
    return tuple(ModelCost(row.day, row.cost, row.requests) for row in rows.all())
