"""GUARDRAILS, in the store: the budget windows of a pass, made where missing, locked in the order of their keys."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import Text
from sqlalchemy.dialects.postgresql import ARRAY

from adapters.store.guard_pass.fragment import Fragment
from adapters.store.guard_pass.question import Question
from adapters.store.ledger import Balance

FRAGMENT = Fragment(
    name="budgets",
    value="SELECT coalesce(jsonb_agg(to_jsonb(windows)), '[]') FROM windows",
    tables="""
    wanted AS (
        SELECT * FROM unnest(:scopes, :windows, :currencies) AS w (scope, "window", currency)
    ), windows AS (
        INSERT INTO budget_windows (tenant, scope, "window", currency)
        SELECT :tenant, scope, "window", currency FROM wanted ORDER BY scope COLLATE "C", "window" COLLATE "C"
        ON CONFLICT (tenant, scope, "window") DO UPDATE SET currency = budget_windows.currency
        RETURNING scope, "window", currency, CAST(reserved AS text) AS reserved, CAST(committed AS text) AS committed
    )
    """,
    types={name: ARRAY(Text) for name in ("scopes", "windows", "currencies")},
)


def parameters(asked: Question) -> dict[str, Any]:
    """Return the windows as three arrays of one order."""
    ordered = sorted({(scope, window): currency for scope, window, currency in asked.windows}.items())
    return {
        "tenant": asked.locked.row.tenant,
        "scopes": [scope for (scope, _), _ in ordered],
        "windows": [window for (_, window), _ in ordered],
        "currencies": [currency for _, currency in ordered],
    }


def parse(value: Sequence[dict[str, Any]]) -> tuple[Balance, ...]:
    """Return the sums of each window."""
    return tuple(
        Balance(
            one["scope"], one["window"], one["currency"], Decimal(one["reserved"]), Decimal(one["committed"])
        )
        for one in value
    )
