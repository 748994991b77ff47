"""Budget windows in a budget's own time zone: their key, and the hours that are left. Right across DST changes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_CEILING, Decimal
from zoneinfo import ZoneInfo

from contracts.configuration import Budget, BudgetWindow

_STEP = Decimal("0.0001")
_MICROSECONDS_PER_HOUR = Decimal(3_600_000_000)


@dataclass(frozen=True, slots=True)
class Window:
    """The window that a moment falls in."""

    key: str
    """For example `month:2026-11` or `day:2026-11-21`."""
    starts_at: datetime
    ends_at: datetime
    hours_left: Decimal
    """Elapsed hours until the end, rounded up to 0.0001."""

    @property
    def hours(self) -> Decimal:
        """Elapsed hours of the whole window: 23, 24 or 25 for a day, where clocks change."""
        return _hours(self.ends_at - self.starts_at)


def window_at(budget: Budget, now: datetime) -> Window:
    """Return the budget's window at `now`, an aware time."""
    zone = ZoneInfo(budget.time_zone)
    today = now.astimezone(zone).date()
    if budget.window is BudgetWindow.DAY:
        key, first, following = f"day:{today:%Y-%m-%d}", today, today + timedelta(days=1)
    else:
        key, first, following = f"month:{today:%Y-%m}", today.replace(day=1), _first_of_next_month(today)
    starts_at, ends_at = _midnight(first, zone), _midnight(following, zone)
    left = max(ends_at - now.astimezone(UTC), timedelta(0))
    return Window(
        key=key,
        starts_at=starts_at,
        ends_at=ends_at,
        hours_left=_hours(left),
    )


def _hours(elapsed: timedelta) -> Decimal:
    exact = Decimal(elapsed // timedelta(microseconds=1)) / _MICROSECONDS_PER_HOUR
    return exact.quantize(_STEP, rounding=ROUND_CEILING)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    """Return local midnight as an instant: subtracting local times would miss the hour that DST adds or takes."""
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def _first_of_next_month(day: date) -> date:
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)
