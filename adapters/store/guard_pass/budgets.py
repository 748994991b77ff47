"""GUARDRAILS, in the store: the budget windows of a pass, made where missing, locked in the order of their keys."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from adapters.store.guard_pass.fragment import Fragment
from adapters.store.guard_pass.question import Question
from adapters.store.ledger import Balance, Wanted, windows

FRAGMENT = Fragment(name="budgets", value=windows.VALUE, tables=windows.TABLES, types=windows.TYPES)


def parameters(asked: Question) -> dict[str, Any]:
    """Return the windows as arrays of one order."""
    return windows.parameters(asked.locked.row.tenant, asked.windows)


def parse(value: Sequence[dict[str, Any]]) -> tuple[Balance, ...]:
    """Return the sums of each window."""
    return windows.parse(value)


def is_complete(found: Iterable[Balance], wanted: Iterable[Wanted]) -> bool:
    """Tell whether all are there. One that another pass made at this very moment is not: ask again."""
    return windows.is_complete(found, wanted)


def after(first: Iterable[Balance], second: Iterable[Balance]) -> tuple[Balance, ...]:
    """Return the second answer, with what the first one made."""
    return windows.after(first, second)
