"""GUARDRAILS, in the store: every halt that has not ended, for a pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from adapters.store.guard_pass.fragment import Fragment
from adapters.store.guard_pass.question import Question
from contracts.safety import Halt

FRAGMENT = Fragment(
    name="halts",
    value="""SELECT coalesce(jsonb_agg(to_jsonb(h) - 'tenant' ORDER BY h.created_at, h.id), '[]')
        FROM halts h WHERE h.status <> 'ended'""",
)


def parameters(_: Question) -> dict[str, Any]:
    """Nothing is asked: the halts say themselves what they cover."""
    return {}


def parse(value: Sequence[dict[str, Any]]) -> tuple[Halt, ...]:
    """Return the halts, oldest first."""
    return tuple(Halt.model_validate(one) for one in value)
