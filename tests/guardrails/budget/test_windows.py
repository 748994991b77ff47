from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.configuration import Budget, BudgetScope, BudgetWindow
from guardrails.budget.windows import window_at

ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kolkata",
    "Pacific/Apia",
    "Asia/Beirut",
    "Africa/Cairo",
]


def budget(window: str, zone: str) -> Budget:
    return Budget(scope=BudgetScope(), window=BudgetWindow(window), limit=Decimal(1), time_zone=zone)


@pytest.mark.parametrize(
    ("window", "zone", "now", "key", "hours"),
    [
        ("month", "UTC", "2026-11-21T12:00:00+00:00", "month:2026-11", "228"),
        ("day", "UTC", "2026-11-21T12:00:00+00:00", "day:2026-11-21", "12"),
        ("month", "UTC", "2026-12-31T23:30:00+00:00", "month:2026-12", "0.5"),
        ("month", "Europe/Berlin", "2026-10-31T23:30:00+00:00", "month:2026-11", "719.5"),
        ("day", "America/New_York", "2026-11-22T02:00:00+00:00", "day:2026-11-21", "3"),
        ("day", "Asia/Kolkata", "2026-11-21T18:29:00+00:00", "day:2026-11-21", "0.0167"),
        # The day on which clocks go back has 25 hours, the day on which they go forward 23.
        ("day", "Europe/Berlin", "2026-10-24T22:00:00+00:00", "day:2026-10-25", "25"),
        ("day", "Europe/Berlin", "2026-03-28T23:00:00+00:00", "day:2026-03-29", "23"),
        ("month", "Europe/Berlin", "2026-09-30T22:00:00+00:00", "month:2026-10", "745"),
        # Clocks go forward at midnight itself: the day begins at one o'clock.
        ("day", "Asia/Beirut", "2026-03-28T21:00:00+00:00", "day:2026-03-28", "1"),
        ("month", "UTC", "2028-02-01T00:00:00+00:00", "month:2028-02", "696"),
    ],
)  # fmt: skip
def test_hours_left_are_elapsed_hours_in_the_budgets_own_zone(
    window: str, zone: str, now: str, key: str, hours: str
) -> None:
    found = window_at(budget(window, zone), datetime.fromisoformat(now))
    assert found.key == key
    assert found.hours_left == Decimal(hours)


@given(
    window=st.sampled_from(["day", "month"]),
    zone=st.sampled_from(ZONES),
    minutes=st.integers(0, 8 * 366 * 24 * 60),
)
def test_a_window_ends_where_the_next_one_begins(window: str, zone: str, minutes: int) -> None:
    now = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    found = window_at(budget(window, zone), now)
    assert Decimal(0) < found.hours_left <= 745
    last = window_at(budget(window, zone), found.ends_at - timedelta(microseconds=1))
    following = window_at(budget(window, zone), found.ends_at)
    assert last.key == found.key
    assert following.key > found.key
    assert following.hours_left >= 22
