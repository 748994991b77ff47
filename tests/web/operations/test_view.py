from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from api.fleet.schemas import FleetPool, PoolState, ZoneView
from api.safety.schemas import BiasView, BreakerDetail, BudgetView
from api.web.operations import view
from api.web.operations.view import FleetFilter
from contracts.observation import AutoscalingBounds
from contracts.safety import BreakerState
from tests.contracts.samples import NOON, resize


def budget(**changes: Any) -> BudgetView:
    fields: dict[str, Any] = {
        "scope": "environment=production",
        "environment": "production",
        "team": None,
        "window": "month:2026-11",
        "currency": "USD",
        "limit": Decimal(1000),
        "reserved": Decimal(50),
        "committed": Decimal(300),
        "spent": Decimal(100),
        "left": Decimal(650),
        "forecast": Decimal(400),
        "exhausted_at": None,
        "starts_at": NOON,
        "ends_at": NOON + timedelta(days=10),
        "series": (),
    }
    return BudgetView.model_validate(fields | changes)


def pool(*sizes: int, bounds: AutoscalingBounds | None = None, **changes: Any) -> FleetPool:
    target = resize().target
    zones = tuple(
        ZoneView(zone=str(at), target_size=size, running=size, stable=True) for at, size in enumerate(sizes)
    )
    seen = PoolState(
        taken_at=NOON,
        age_seconds=1,
        status="RUNNING",
        machine_type="g2-standard-8",
        spot=False,
        accelerators=(),
        zones=zones,
        target_size=sum(sizes),
        running=sum(sizes),
        autoscaling=bounds,
        operations=0,
    )
    fields: dict[str, Any] = {
        "key": target.key,
        "target": target,
        "environment": "production",
        "is_production": True,
        "team": "inference",
        "max_nodes_per_zone": 12,
        "looked_at": NOON,
        "reason_code": None,
        "seen": seen if sizes else None,
        "near_bound": None,
        "pending": (),
    }
    return FleetPool.model_validate(fields | changes)


def test_the_parts_of_a_budgets_bar_are_its_forecast_and_no_more() -> None:
    picture = view.budget_picture(budget())
    assert [(name, int(amount)) for name, amount, _ in picture.parts] == [
        ("Spent", 100),
        ("Committed, not yet spent", 200),
        ("Reserved", 50),
        ("Forecast growth", 50),
    ]
    assert sum(amount for _, amount, _ in picture.parts) == 400
    assert (int(picture.whole), picture.title, picture.window) == (1000, "production", "November 2026")


@pytest.mark.parametrize(
    ("changes", "tone"),
    [
        ({}, "ok"),
        ({"forecast": Decimal(810)}, "warn"),
        ({"forecast": Decimal(1200), "exhausted_at": NOON}, "warn"),
        ({"committed": Decimal(1100), "forecast": Decimal(1150)}, "danger"),
        ({"soft_limit": Decimal(349)}, "warn"),
        ({"soft_limit": Decimal(350)}, "ok"),
        (
            {"limit": Decimal(0), "committed": Decimal(0), "reserved": Decimal(0), "forecast": Decimal(0)},
            "ok",
        ),
    ],
)
def test_how_a_budget_stands(changes: dict[str, Any], tone: str) -> None:
    assert view.budget_picture(budget(**changes)).tone == tone


def test_a_budgets_soft_limit_and_alerts_are_marked_and_told_in_words() -> None:
    picture = view.budget_picture(budget(soft_limit=Decimal(800), alerts=(50, 80, 100), alerted=50))
    assert [(int(amount), kind) for amount, kind in picture.marks] == [
        (500, "told"),
        (800, "alert"),
        (800, "soft"),
    ]
    assert picture.rules == (
        "Above 800.00 USD a person must approve. "
        "People are told at 50%, 80%, 100% of the limit; 50% was reached."
    )
    assert view.budget_picture(budget()).rules == ""


@pytest.mark.parametrize(
    ("share", "actions", "told"),
    [
        ("0.04", 120, "Estimates ran 4% low: changes cost more, over 120 changes of the past 90 days."),
        ("-0.1", 1, "Estimates ran 10% high: changes cost less, over 1 change of the past 90 days."),
        ("0.0000", 3, "Estimates were right over 3 changes of the past 90 days."),
    ],
)
def test_how_far_estimates_were_off_is_told_in_words(share: str, actions: int, told: str) -> None:
    found = BiasView(
        share=Decimal(share),
        actions=actions,
        estimated_hourly=Decimal(100),
        verified_hourly=Decimal(100),
    )
    assert view.budget_picture(budget(bias=found)).bias == told


def test_a_budget_of_models_has_its_own_name_and_no_run_rate() -> None:
    picture = view.budget_picture(budget(kind="model", environment=None))
    assert (picture.title, picture.is_models) == ("Models", True)


def test_what_a_window_opened_with_is_its_first_point() -> None:
    first = {"at": NOON, "reserved": Decimal(0), "committed": Decimal(720)}
    assert view.budget_picture(budget(series=(first,))).opening == 720


def test_a_window_of_a_day_is_named_by_its_date() -> None:
    assert view.window_words(budget(window="day:2026-11-02")) == "2 November 2026"


def test_a_breaker_is_named_for_what_it_guards() -> None:
    assert view.breaker_name("kind:gke.node_pool.resize").text == "Resize a node pool"
    named = view.breaker_name("target:gke.node_pool/acme-prod/europe-west4/serving/web")
    assert (named.kind, named.text) == ("target", "acme-prod/europe-west4/serving/web")


def test_open_breakers_come_first() -> None:
    def breaker(name: str, state: BreakerState) -> BreakerDetail:
        return BreakerDetail(
            id=name,
            state=state,
            consecutive_failures=0,
            openings=0,
            rule=None,
            opened_at=None,
            open_until=None,
            read_first_until=None,
            ready_at=None,
            probe_owner=None,
            probe_expires_at=None,
            last_reason_code=None,
            cooldown_seconds_left=None,
            probe=None,
            held=(),
            held_count=0,
            moves=(),
        )

    states = (BreakerState.CLOSED, BreakerState.HALF_OPEN, BreakerState.OPEN)
    given = [breaker(f"kind:{state}", state) for state in states]
    assert [one.state for one in view.by_urgency(given)] == ["open", "half_open", "closed"]


@pytest.mark.parametrize(
    ("shown", "told"),
    [
        (pool(2, 3), (3, 12, "registered limit")),
        (pool(2, 3, bounds=AutoscalingBounds(max_node_count=5)), (3, 5, "autoscaler")),
        (pool(2, 3, bounds=AutoscalingBounds(total_max_node_count=9)), (5, 9, "autoscaler")),
    ],
)
def test_a_pool_is_measured_against_what_bounds_it(shown: FleetPool, told: tuple[int, int, str]) -> None:
    bound = view.pool_bound(shown)
    assert bound is not None
    assert (bound.size, bound.most, bound.by) == told


def test_a_pool_that_nobody_saw_or_that_nothing_bounds_has_no_bound() -> None:
    assert view.pool_bound(pool()) is None
    assert view.pool_bound(pool(2, max_nodes_per_zone=None)) is None


def test_filters_of_the_fleet_fit_together() -> None:
    one = pool(2, reason_code="provider_unavailable")
    assert FleetFilter().keeps(one)
    assert FleetFilter(environment="production", show="unread", query="G2-STANDARD").keeps(one)
    assert not FleetFilter(show="pending").keeps(one)
    assert not FleetFilter(environment="development").keeps(one)
    assert not FleetFilter(query="web").keeps(one)


def test_a_change_is_told_without_the_pool_beside_it() -> None:
    named = "acme-prod/serving/inference"
    assert view.change_words(f"resize {named} to 4 per zone", pool(2)) == "resize to 4 per zone"
    told = view.change_words(f"set autoscaling bounds of {named} to 1-3 per zone", pool(2))
    assert told == "set autoscaling bounds to 1-3 per zone"


def test_a_moment_is_told_by_its_age() -> None:
    now = datetime.now(UTC)
    assert view.ago_words(now) == "just now"
    assert view.ago_words(now - timedelta(seconds=12.4)) == "12 s ago"
