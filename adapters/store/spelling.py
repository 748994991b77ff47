"""Conditions that partial indexes are found by: PostgreSQL compares their very words, so nothing in them is bound."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import ColumnElement, literal


def spelled(column: ColumnElement[str], values: Iterable[str]) -> ColumnElement[bool]:
    """Return that a column holds one of these values, each spelled out."""
    return column.in_([literal(str(value), literal_execute=True) for value in values])
