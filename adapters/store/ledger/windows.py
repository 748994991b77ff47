"""Locking budget windows, and making new ones with what the run-rate of the one before costs in them.

One statement locks every wanted window that exists, together with the predecessor of one that does not, in the order
of their keys, and then makes the missing ones in the same order. A window that another transaction makes meanwhile is
in neither answer: ask again, and the new snapshot has it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from sqlalchemy import Text, bindparam, column, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store.ledger.accounts import Balance, Wanted

TYPES = {name: ARRAY(Text) for name in ("scopes", "windows", "currencies", "window_hours")}
"""All text: for an array of another type the driver would ask the database once per connection what it is."""

_WANTED = """
    asked_windows AS (
        SELECT scope, "window", currency, CAST(whole AS numeric) AS hours
        FROM unnest(:scopes, :windows, :currencies, :window_hours) AS w (scope, "window", currency, whole)
    ), named_windows AS (
        SELECT w.*, (
            SELECT max(p."window" COLLATE "C") FROM budget_windows p
            WHERE p.tenant = :tenant AND p.scope = w.scope AND p."window" COLLATE "C" < w."window" COLLATE "C"
                AND split_part(p."window", ':', 1) = split_part(w."window", ':', 1)
                AND NOT EXISTS (SELECT FROM budget_windows x
                    WHERE x.tenant = :tenant AND x.scope = w.scope AND x."window" = w."window")
        ) AS previous
        FROM asked_windows w
    )"""

_OPENING = """
        SELECT w.scope, w."window", w.currency, coalesce(h.hourly, 0) AS hourly,
            ceil(coalesce(h.hourly, 0) * w.hours * 100) / 100 AS committed
        FROM named_windows w
        LEFT JOIN {held} h ON h.scope = w.scope AND h."window" = w.previous AND h.currency = w.currency"""

TABLES = f"""{_WANTED}, held_windows AS MATERIALIZED (
        SELECT b.* FROM budget_windows b
        WHERE b.tenant = :tenant AND (b.scope, b."window") IN (
            SELECT scope, "window" FROM named_windows
            UNION SELECT scope, previous FROM named_windows WHERE previous IS NOT NULL)
        ORDER BY b.scope COLLATE "C", b."window" COLLATE "C"
        FOR UPDATE
    ), opened_windows AS (
        INSERT INTO budget_windows (tenant, scope, "window", currency, hourly, committed)
        SELECT :tenant, o.scope, o."window", o.currency, o.hourly, o.committed
        FROM ({_OPENING.format(held="held_windows")}) o
        WHERE (SELECT count(*) FROM held_windows) >= 0
        ORDER BY o.scope COLLATE "C", o."window" COLLATE "C"
        ON CONFLICT (tenant, scope, "window") DO NOTHING
        RETURNING *
    ), found_windows AS (
        SELECT h.*, false AS is_new FROM held_windows h JOIN asked_windows USING (scope, "window")
        UNION ALL SELECT o.*, true FROM opened_windows o
    )"""  # noqa: S608  made of the constants above
VALUE = """SELECT coalesce(jsonb_agg(jsonb_build_object(
        'scope', scope, 'window', "window", 'currency', currency, 'reserved', reserved::text,
        'committed', committed::text, 'hourly', hourly::text, 'alerted', alerted, 'is_new', is_new)
        ORDER BY scope COLLATE "C", "window" COLLATE "C"), '[]') FROM found_windows"""

_LOOK = f"""{_WANTED}, present AS (
        SELECT b.* FROM budget_windows b JOIN asked_windows USING (scope, "window") WHERE b.tenant = :tenant
    ), earlier AS (
        SELECT b.* FROM budget_windows b JOIN named_windows n ON b.scope = n.scope AND b."window" = n.previous
        WHERE b.tenant = :tenant
    ), found_windows AS (
        SELECT scope, "window", currency, reserved, committed, hourly, alerted, false AS is_new FROM present
        UNION ALL
        SELECT o.scope, o."window", o.currency, 0, o.committed, o.hourly, 0, true
        FROM ({_OPENING.format(held="earlier")}) o
        WHERE NOT EXISTS (SELECT FROM present p WHERE p.scope = o.scope AND p."window" = o."window")
    )"""  # noqa: S608  made of the constants above


def _statement(tables: str) -> Any:
    bound = text(f"WITH {tables} SELECT ({VALUE}) AS found")
    bound = bound.bindparams(
        bindparam("tenant", type_=Text()), *[bindparam(name, type_=kind) for name, kind in TYPES.items()]
    )
    return bound.columns(column("found", JSONB))


_LOCK = _statement(TABLES)
_READ = _statement(_LOOK)


def parameters(tenant: str, windows: Iterable[Wanted]) -> dict[str, Any]:
    """Return the windows as arrays of one order, each once."""
    ordered = [one for _, one in sorted({one.key: one for one in sorted(windows)}.items())]
    return {
        "tenant": tenant,
        "scopes": [one.scope for one in ordered],
        "windows": [one.window for one in ordered],
        "currencies": [one.currency for one in ordered],
        "window_hours": [str(one.hours) for one in ordered],
    }


def parse(value: Sequence[dict[str, Any]]) -> tuple[Balance, ...]:
    """Return the sums of each window."""
    return tuple(
        Balance(
            one["scope"],
            one["window"],
            one["currency"],
            Decimal(one["reserved"]),
            Decimal(one["committed"]),
            Decimal(one["hourly"]),
            one["alerted"],
            one["is_new"],
        )
        for one in value
    )


def is_complete(balances: Iterable[Balance], windows: Iterable[Wanted]) -> bool:
    """Tell whether every wanted window is there, or another transaction made one meanwhile: then lock again."""
    return {one.key for one in balances} >= {one.key for one in windows}


async def lock(connection: AsyncConnection, tenant: str, windows: Iterable[Wanted]) -> tuple[Balance, ...]:
    """Lock budget windows in their fixed order; make the missing ones, whose openings the caller posts."""
    asked = list(windows)
    found: tuple[Balance, ...] = ()
    while not is_complete(found, asked):
        row = (await connection.execute(_LOCK, parameters(tenant, asked))).one()
        found = after(found, parse(row.found))
    return found


def after(first: Iterable[Balance], second: Iterable[Balance]) -> tuple[Balance, ...]:
    """Return what a second attempt found: what the first one made is no news to it, and still wants its opening."""
    made = {one.key for one in first if one.is_new}
    return tuple(replace(one, is_new=True) if one.key in made else one for one in second)


async def look(connection: AsyncConnection, tenant: str, windows: Iterable[Wanted]) -> tuple[Balance, ...]:
    """Return the sums without locking. A window that nobody opened yet is shown as it would be opened."""
    asked = list(windows)
    if not asked:
        return ()
    row = (await connection.execute(_READ, parameters(tenant, asked))).one()
    return parse(row.found)
