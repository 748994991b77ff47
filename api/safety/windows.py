"""Which window of a budget runs now, in the budget's own time zone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from contracts.configuration import Budget, BudgetWindow


@dataclass(frozen=True)
class Window:
    """One window: its key, for example `month:2026-11`, and when the next begins."""

    key: str
    ends_at: datetime


def window_at(budget: Budget, now: datetime) -> Window:
    """Return the window of `now`."""
    local = now.astimezone(ZoneInfo(budget.time_zone))
    today = local.replace(hour=0, minute=0, second=0, microsecond=0)
    if budget.window is BudgetWindow.DAY:
        return Window(f"day:{today:%Y-%m-%d}", today + timedelta(days=1))
    following = (today.replace(day=28) + timedelta(days=4)).replace(day=1)
    return Window(f"month:{today:%Y-%m}", following)
