"""GUARDRAIL budget, looking ahead: what a window will hold at its end if changes go on as they did. Pure.

What is committed is the cost of each change until the end of the window, so it does not grow by itself. It grows when
more nodes are added. The pace is how fast the hourly cost has grown so far:

    pace = sum(amount / hours from its posting to the end) / hours elapsed        [money per hour, per hour]

A change made at time t costs its hourly price until the end, so with `R` hours left

    forecast = committed + reserved + pace * R² / 2

and the limit is crossed when `pace * (R² - r²) / 2` is what is left of it, with `r` hours to go. Nothing of this
decides: the guardrail compares reserved and committed with the limit, and no more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, Decimal

from contracts.money import CENT

_MICROSECONDS_PER_HOUR = Decimal(3_600_000_000)
_SHORTEST = Decimal(1)
"""Hours. A late posting is an older reservation that was committed, not a change that costs as much in a minute."""
_LEAST_ELAPSED = Decimal("0.1")
"""Share of the window. The first change of a month is no trend."""


@dataclass(frozen=True, slots=True)
class Commit:
    """Money committed at a moment, for the time from then to the end of the window; negative when it is given back."""

    at: datetime
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Span:
    """A budget window, looked at from inside."""

    starts_at: datetime
    ends_at: datetime
    now: datetime


@dataclass(frozen=True, slots=True)
class Forecast:
    """What the end of a window will see."""

    at_end: Decimal
    """Never below what is committed and reserved already."""
    exhausted_at: datetime | None
    """When the limit is reached; `now` when it is, None when it holds."""


def spent(commits: Sequence[Commit], span: Span) -> Decimal:
    """Return how much of what was committed has been used up by now.

    Each commit is used up evenly from its posting to the end of the window. Rounded up to the cent, never above what
    was committed.
    """
    used = sum((commit.amount * _used_share(commit.at, span) for commit in commits), Decimal(0))
    total = sum((commit.amount for commit in commits), Decimal(0))
    return min(used.quantize(CENT, rounding=ROUND_CEILING), total)


def forecast(commits: Sequence[Commit], *, standing: Decimal, limit: Decimal, span: Span) -> Forecast:
    """Return the sum at the window's end.

    `standing` is committed plus reserved. The result is never below it, equals it without commits, and never falls
    when a commit is added or grows.
    """
    left, pace = _hours(span.now, span.ends_at), _pace(commits, span)
    growth = (pace * left * left / 2).quantize(CENT, rounding=ROUND_CEILING)
    return Forecast(
        at_end=standing + growth, exhausted_at=_exhausted_at(limit - standing, growth, left, pace, span)
    )


def _pace(commits: Sequence[Commit], span: Span) -> Decimal:
    whole = max(_hours(span.starts_at, span.ends_at), _SHORTEST)
    elapsed = max(_hours(span.starts_at, span.now), whole * _LEAST_ELAPSED)
    hourly = (commit.amount / max(_hours(commit.at, span.ends_at), _SHORTEST) for commit in commits)
    return max(sum(hourly, Decimal(0)), Decimal(0)) / elapsed


def _exhausted_at(
    free: Decimal, growth: Decimal, left: Decimal, pace: Decimal, span: Span
) -> datetime | None:
    if free <= 0:
        return span.now if free < 0 or growth > 0 else None
    if growth <= free:
        return None
    remaining = (left * left - 2 * free / pace).max(Decimal(0)).sqrt()
    crossing = span.ends_at - timedelta(microseconds=int(remaining * _MICROSECONDS_PER_HOUR))
    return max(span.now, crossing)


def _used_share(at: datetime, span: Span) -> Decimal:
    whole = _hours(at, span.ends_at)
    if whole <= 0:
        return Decimal(1)
    return min(_hours(at, span.now) / whole, Decimal(1))


def _hours(since: datetime, until: datetime) -> Decimal:
    """Elapsed hours between two aware times; zero when they are the other way round."""
    elapsed = max(until - since, timedelta(0))
    return Decimal(elapsed // timedelta(microseconds=1)) / _MICROSECONDS_PER_HOUR
