"""GUARDRAILS, in the store: one area's share of the one statement that reads the contended facts of a pass.

A pass may take six round trips, so facts do not come one query per guardrail. Each area writes a `Fragment`: common
table expressions and one `jsonb` value. `facts.py` joins them to one statement and hands each value back to its area.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy.types import TypeEngine

from adapters.store.driver import Query, query


@dataclass(frozen=True, slots=True)
class Fragment:
    """SQL of one area. Names of common table expressions and of parameters are unique over all fragments."""

    name: str
    """Column of the value."""
    value: str
    """An expression of type `jsonb`."""
    tables: str = ""
    """Common table expressions, separated by commas, in the order in which they lock."""
    types: Mapping[str, TypeEngine[Any]] = field(default_factory=dict)
    """Types of parameters that PostgreSQL cannot tell by itself."""


def joined(fragments: Sequence[Fragment]) -> Query:
    """Return the one statement, a column for each fragment. Their order is the order in which they lock."""
    tables = ",\n".join(fragment.tables for fragment in fragments if fragment.tables)
    values = ",\n".join(f"({fragment.value}) AS {fragment.name}" for fragment in fragments)
    types = {name: kind for fragment in fragments for name, kind in fragment.types.items()}
    return query(f"WITH {tables}\nSELECT {values}" if tables else f"SELECT {values}", types)


def moment(value: str | None) -> datetime | None:
    """Return a time that came inside `jsonb`."""
    return None if value is None else datetime.fromisoformat(value)
