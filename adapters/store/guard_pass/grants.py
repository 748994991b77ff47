"""GUARDRAILS, in the store: the break-glass grants that count at the moment of a pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from adapters.store.guard_pass.fragment import Fragment
from adapters.store.guard_pass.question import Question
from contracts.break_glass import BreakGlass

FRAGMENT = Fragment(
    name="grants",
    value="""SELECT coalesce(jsonb_agg(g.document ORDER BY g.expires_at DESC, g.id), '[]') FROM break_glass g
        WHERE g.tenant = :grant_tenant AND g.status = 'active' AND g.expires_at > clock_timestamp()""",
)


def parameters(asked: Question) -> dict[str, Any]:
    """Return whose grants are asked for: the grants say themselves what they cover."""
    return {"grant_tenant": asked.locked.row.tenant}


def parse(value: Sequence[dict[str, Any]]) -> tuple[BreakGlass, ...]:
    """Return the grants, the one that lasts longest first."""
    return tuple(BreakGlass.model_validate(one) for one in value)
