"""GUARDRAILS, in the store: the circuit breakers that a pass goes through. `lock` has locked them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Text
from sqlalchemy.dialects.postgresql import ARRAY

from adapters.store.guard_pass.fragment import Fragment
from adapters.store.guard_pass.question import Question
from contracts.safety import Breaker

FRAGMENT = Fragment(
    name="breakers",
    value="""SELECT coalesce(jsonb_agg(to_jsonb(b) ORDER BY b.id), '[]')
        FROM breakers b WHERE b.id = ANY (:breaker_ids)""",
    types={"breaker_ids": ARRAY(Text)},
)


def parameters(asked: Question) -> dict[str, Any]:
    """Return the breakers' ids."""
    return {"breaker_ids": list(asked.place.breaker_ids)}


def parse(value: Sequence[dict[str, Any]]) -> tuple[Breaker, ...]:
    """Return those that ever counted a failure, by id."""
    return tuple(Breaker.model_validate(one) for one in value)
