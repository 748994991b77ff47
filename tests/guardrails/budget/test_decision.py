from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.evaluation import Outcome
from guardrails.budget.cost import estimate
from guardrails.budget.decision import decide
from guardrails.budget.remedy import largest_that_fits
from tests.contracts.samples import observation, resize
from tests.guardrails.samples import BUDGET, PRICE, autoscaled, bounds, draft, facts

# Six nodes more for 228 hours at 0.90.
AMOUNT = Decimal("1231.20")


def test_the_amount_is_nodes_times_price_times_hours_left() -> None:
    cost = estimate(facts())
    assert cost is not None
    assert (cost.node_delta, cost.monthly_delta) == (6, Decimal("3942.00"))
    (line,) = cost.lines
    assert line.amount == AMOUNT
    assert line.left_after == Decimal(40_000) - AMOUNT


@pytest.mark.parametrize(
    ("limit", "reserved", "committed", "outcome"),
    [
        (AMOUNT, 0, 0, Outcome.ALLOW),
        (AMOUNT - Decimal("0.01"), 0, 0, Outcome.DENY),
        (2 * AMOUNT, AMOUNT, 0, Outcome.ALLOW),
        (2 * AMOUNT, AMOUNT, Decimal("0.01"), Outcome.DENY),
        (Decimal(0), 0, 0, Outcome.DENY),
    ],
)
def test_it_must_fit_to_the_cent(limit: Decimal, reserved: Any, committed: Any, outcome: Outcome) -> None:
    budget = replace(BUDGET, limit=limit, reserved=Decimal(reserved), committed=Decimal(committed))
    verdict = decide(facts(budgets=(budget,)))
    assert verdict.outcome is outcome
    if outcome is Outcome.DENY:
        assert verdict.reason_code == "budget_exceeded"
        assert "environment=production" in verdict.message
        assert str(AMOUNT) in verdict.message


def test_every_budget_must_hold_it_and_the_one_that_does_not_is_named() -> None:
    tight = replace(
        BUDGET, scope="team=inference", window="day:2026-11-21", limit=Decimal(10), hours_left=Decimal(12)
    )
    verdict = decide(facts(budgets=(BUDGET, tight)))
    assert verdict.reason_code == "budget_exceeded"
    assert "team=inference has only 10.00 of 10.00 left" in verdict.message


@pytest.mark.parametrize("wanted", [0, 1, 2])
def test_what_saves_money_or_changes_nothing_fits_into_an_empty_budget(wanted: int) -> None:
    spent = replace(BUDGET, limit=Decimal(0), committed=Decimal(100))
    verdict = decide(facts(draft=draft(action=resize(wanted)), budgets=(spent,)))
    assert verdict.outcome is Outcome.ALLOW


def test_bounds_cost_what_the_pool_may_grow_to_in_every_zone() -> None:
    cost = estimate(facts(observation=autoscaled(1, 2), draft=draft(action=bounds(0, 5))))
    assert cost is not None
    assert cost.node_delta == 9


@pytest.mark.parametrize(
    ("low", "high", "gained"),
    [
        (2, 50, 0),
        (3, 50, 3),
        (50, 50, 144),
        (50, 60, 144),
        (3, 60, 30),
        (1, 40, -30),
        (40, 40, 114),
    ],
)
def test_a_floor_that_rises_costs_the_nodes_it_starts(low: int, high: int, gained: int) -> None:
    """Three zones with two nodes each, between 1 and 50: the upper bound alone would call most of these free."""
    cost = estimate(facts(observation=autoscaled(1, 50), draft=draft(action=bounds(low, high))))
    assert cost is not None
    assert cost.node_delta == gained


@pytest.mark.parametrize(
    ("changes", "reason_code"),
    [
        ({"price": None, "price_error": "price_unknown"}, "price_unknown"),
        ({"price": None}, "price_unknown"),
        ({"observation": None, "price": None}, "cost_unknown"),
        ({"price": PRICE.model_copy(update={"currency": "EUR"})}, "currency_mismatch"),
        ({"budgets": (replace(BUDGET, currency="EUR"),)}, "currency_mismatch"),
        ({"budgets": (replace(BUDGET, ledger_currency="EUR"),)}, "currency_mismatch"),
    ],
)
def test_what_cannot_be_counted_denies(changes: dict[str, Any], reason_code: str) -> None:
    verdict = decide(facts(**changes))
    assert (verdict.outcome, verdict.reason_code) == (Outcome.DENY, reason_code)


def test_without_a_budget_it_is_allowed_and_says_so() -> None:
    verdict = decide(facts(budgets=()))
    assert (verdict.outcome, verdict.rule) == (Outcome.ALLOW, "no_budget")


def test_old_prices_are_told() -> None:
    old = PRICE.model_copy(update={"as_of": date(2026, 10, 1)})
    assert "2026-10-01" in decide(facts(price=old)).message
    cost = estimate(facts(price=old))
    assert cost is not None
    assert cost.is_stale
    fresh = estimate(facts())
    assert fresh is not None
    assert not fresh.is_stale


@given(
    node_count=st.integers(0, 12),
    price=st.decimals("0.0001", "200", places=6),
    hours=st.decimals("0", "745", places=4),
)
def test_an_amount_is_never_negative_never_too_small_and_at_most_a_cent_too_large(
    node_count: int, price: Decimal, hours: Decimal
) -> None:
    cost = estimate(
        facts(
            draft=draft(action=resize(node_count)),
            observation=observation(3, 3, 3),
            price=PRICE.model_copy(update={"per_hour": price}),
            budgets=(replace(BUDGET, hours_left=hours),),
        )
    )
    assert cost is not None
    exact = max(Decimal(0), (node_count * 3 - 9) * price * hours)
    assert exact <= cost.lines[0].amount < exact + Decimal("0.01")


@pytest.mark.parametrize(
    ("soft_limit", "committed", "outcome"),
    [
        (AMOUNT, 0, Outcome.ALLOW),
        (AMOUNT - Decimal("0.01"), 0, Outcome.REQUIRE_APPROVAL),
        (2 * AMOUNT, AMOUNT, Outcome.ALLOW),
        (2 * AMOUNT, AMOUNT + Decimal("0.01"), Outcome.REQUIRE_APPROVAL),
        (Decimal(0), 0, Outcome.REQUIRE_APPROVAL),
    ],
    ids=["up to it", "a cent above", "with others up to it", "with others above", "zero"],
)
def test_above_a_soft_limit_a_person_must_approve(
    soft_limit: Decimal, committed: Any, outcome: Outcome
) -> None:
    verdict = decide(facts(budgets=(replace(BUDGET, soft_limit=soft_limit, committed=Decimal(committed)),)))
    assert verdict.outcome is outcome
    if outcome is Outcome.REQUIRE_APPROVAL:
        assert verdict.reason_code == "budget_soft_limit"
        assert verdict.requirement is not None
        assert verdict.requirement.quorum == 1
        assert "0.01" in verdict.message or soft_limit == 0


def test_nobody_can_approve_what_is_above_the_hard_limit() -> None:
    both = replace(BUDGET, limit=AMOUNT - 1, soft_limit=Decimal(1))
    assert decide(facts(budgets=(both,))).reason_code == "budget_exceeded"


def test_a_shrink_asks_nobody_above_a_soft_limit() -> None:
    above = replace(BUDGET, soft_limit=Decimal(0), committed=Decimal(100))
    assert decide(facts(draft=draft(action=resize(1)), budgets=(above,))).outcome is Outcome.ALLOW


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        # Three zones with two nodes each; one node per zone more costs 615.60.
        (Decimal("615.60"), "Up to 3 nodes per zone fit now"),
        (Decimal("1231.19"), "Up to 3 nodes per zone fit now"),
        (Decimal("615.59"), "No growth fits"),
        (Decimal(0), "No growth fits"),
    ],
)
def test_a_denial_says_which_size_would_fit_and_how_much_is_missing(limit: Decimal, words: str) -> None:
    verdict = decide(facts(budgets=(replace(BUDGET, limit=limit),)))
    assert verdict.outcome is Outcome.DENY
    assert verdict.remedy is not None
    assert verdict.remedy.startswith(words)
    assert f"by {AMOUNT - limit} USD" in verdict.remedy
    assert "environment=production (month:2026-11)" in verdict.remedy


@given(
    wanted=st.integers(3, 60),
    limit=st.decimals("0", "9000", places=2),
    committed=st.decimals("0", "9000", places=2),
)
def test_the_size_that_fits_is_allowed_and_the_next_one_is_not(
    wanted: int, limit: Decimal, committed: Decimal
) -> None:
    budgets = (replace(BUDGET, limit=limit, committed=committed), replace(BUDGET, window="day:2026-11-21"))
    asked = facts(draft=draft(action=resize(wanted)), budgets=budgets)
    if decide(asked).outcome is Outcome.ALLOW:
        return
    size = largest_that_fits(asked)
    grown = [size] if size is not None else []
    for fitting in grown:
        assert decide(facts(draft=draft(action=resize(fitting)), budgets=budgets)).outcome is Outcome.ALLOW
    too_much = (size or 2) + 1
    if too_much < wanted:
        assert decide(facts(draft=draft(action=resize(too_much)), budgets=budgets)).outcome is Outcome.DENY


def test_of_bounds_the_remedy_names_the_upper_one() -> None:
    tight = (replace(BUDGET, limit=Decimal("615.60")),)
    verdict = decide(facts(observation=autoscaled(1, 2), draft=draft(action=bounds(1, 5)), budgets=tight))
    assert verdict.remedy is not None
    assert verdict.remedy.startswith("Up to 3 nodes at most per zone fit now")
