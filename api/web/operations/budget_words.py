"""Budgets in words: their soft limit and alerts, and how far estimates were off. Pure."""

from __future__ import annotations

from decimal import Decimal

from api import words
from api.safety.schemas import BiasView, BudgetView


def marks(budget: BudgetView) -> tuple[tuple[Decimal, str], ...]:
    """Return where the bar is marked: `soft` for the soft limit, `told` and `alert` for alerts, reached or not."""
    alerts = tuple(
        (budget.limit * percent / 100, "told" if percent <= budget.alerted else "alert")
        for percent in budget.alerts
        if percent < 100
    )
    return alerts if budget.soft_limit is None else (*alerts, (budget.soft_limit, "soft"))


def rules(budget: BudgetView) -> str:
    """Return the same in words."""
    told = []
    if budget.soft_limit is not None:
        told.append(f"Above {words.money(budget.soft_limit, budget.currency)} a person must approve.")
    if budget.alerts:
        at = ", ".join(f"{percent}%" for percent in budget.alerts)
        reached = f"{budget.alerted}% was reached" if budget.alerted else "none was reached"
        told.append(f"People are told at {at} of the limit; {reached}.")
    return " ".join(told)


def bias(found: BiasView | None) -> str:
    """Return how far estimates were off, as in `Estimates ran 4% low`; empty where nothing was verified."""
    if found is None:
        return ""
    over = f"over {found.actions:,} {'change' if found.actions == 1 else 'changes'} of the past 90 days"
    if found.share == 0:
        return f"Estimates were right {over}."
    way = "low: changes cost more" if found.share > 0 else "high: changes cost less"
    return f"Estimates ran {words.percent(abs(found.share))} {way}, {over}."
