from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from contracts.action import Action
from contracts.configuration import Budget, BudgetScope, BudgetWindow
from contracts.effect import Step, Verification
from contracts.observation import NodePoolObservation
from guardrails.budget.actual import shares_of, verified_delta
from tests.contracts.samples import NOON, observation, resize
from tests.guardrails.samples import autoscaled, bounds

DAILY = Budget(scope=BudgetScope(), window=BudgetWindow.DAY, limit=Decimal(1))
MONTHLY = Budget(scope=BudgetScope(), window=BudgetWindow.MONTH, limit=Decimal(1), time_zone="Europe/Berlin")


def found(seen: NodePoolObservation) -> Verification:
    return Verification(
        key="k",
        proposal_id="prp_1",
        step=Step.FORWARD,
        expected={},
        observed_zones=seen.zones,
        matches=True,
        reason_code="verified",
        took_seconds=1,
        at=NOON,
    )


@pytest.mark.parametrize(
    ("action", "before", "after", "gained"),
    [
        (resize(4), observation(2, 2, 2), observation(4, 4, 4), 6),
        (resize(4), observation(2, 2, 2), observation(4, 4, 3), 5),
        (resize(1), observation(2, 2, 2), observation(1, 1, 1), -3),
        (resize(2), observation(2, 2, 2), observation(2, 2, 2), 0),
        (bounds(1, 5), autoscaled(1, 2), observation(2, 2, 2), 9),
    ],
    ids=["as asked", "one node less", "fewer", "none", "bounds"],
)
def test_what_runs_counts_and_not_what_was_asked(
    action: Action, before: NodePoolObservation, after: NodePoolObservation, gained: int
) -> None:
    assert verified_delta(action, before, found(after)) == gained


def test_a_change_counts_from_its_effect_to_the_end_of_each_window() -> None:
    since = datetime(2026, 11, 21, 12, tzinfo=UTC)
    day, month = shares_of([DAILY, MONTHLY], since=since, now=since)
    assert (day.window, day.hours, day.whole, day.is_present) == (
        "day:2026-11-21",
        Decimal(12),
        Decimal(24),
        True,
    )
    assert (month.window, month.hours, month.whole) == ("month:2026-11", Decimal(227), Decimal(720))


def test_across_midnight_it_counts_in_both_days_and_the_new_one_is_present() -> None:
    since, now = datetime(2026, 11, 21, 23, 30, tzinfo=UTC), datetime(2026, 11, 22, 0, 10, tzinfo=UTC)
    old, new = shares_of([DAILY], since=since, now=now)
    assert (old.window, old.hours, old.is_present) == ("day:2026-11-21", Decimal("0.5"), False)
    assert (new.window, new.hours, new.is_present) == ("day:2026-11-22", Decimal(24), True)
