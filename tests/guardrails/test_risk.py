from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.evaluation import RiskTier
from contracts.request import Trust
from guardrails.budget.cost import estimate
from guardrails.risk import RiskFacts, risk_facts_of, risk_of
from tests.contracts.samples import observation, resize
from tests.guardrails.samples import autoscaled, bounds, draft, facts

CALM = RiskFacts(
    production=False,
    untrusted=False,
    observed=True,
    reversible=True,
    share_of_pool=0.25,
    share_of_cluster=0.05,
    nodes_before=8,
    nodes_after=10,
    monthly_delta=Decimal(400),
)

money = st.one_of(st.none(), st.decimals(-20_000, 20_000, places=2))
shares = st.floats(0, 20)
some_facts = st.builds(
    RiskFacts,
    production=st.booleans(),
    untrusted=st.booleans(),
    observed=st.booleans(),
    reversible=st.booleans(),
    share_of_pool=shares,
    share_of_cluster=st.one_of(st.none(), shares),
    nodes_before=st.integers(0, 50),
    nodes_after=st.integers(0, 50),
    monthly_delta=money,
    monthly_threshold=st.one_of(st.none(), st.decimals(0, 20_000, places=2)),
)


def tier(**changes: Any) -> RiskTier:
    return risk_of(replace(CALM, **changes)).tier


def test_a_small_cheap_reversible_change_outside_production_is_low_and_needs_no_word() -> None:
    assert risk_of(CALM) == risk_of(replace(CALM, nodes_after=CALM.nodes_before, share_of_pool=0.0))
    assert risk_of(CALM).reasons == ()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"production": True}, RiskTier.MEDIUM),
        ({"untrusted": True}, RiskTier.MEDIUM),
        ({"production": True, "untrusted": True}, RiskTier.HIGH),
        ({"reversible": False}, RiskTier.HIGH),
        ({"observed": False}, RiskTier.HIGH),
        ({"monthly_delta": None}, RiskTier.HIGH),
        ({"monthly_delta": Decimal("1000.00")}, RiskTier.LOW),
        ({"monthly_delta": Decimal("1000.01")}, RiskTier.MEDIUM),
        ({"monthly_delta": Decimal("10000.01")}, RiskTier.HIGH),
        ({"monthly_delta": Decimal(-50_000)}, RiskTier.LOW),
        ({"monthly_threshold": Decimal(399)}, RiskTier.HIGH),
        ({"monthly_threshold": Decimal(400)}, RiskTier.LOW),
        ({"share_of_pool": 0.51}, RiskTier.MEDIUM),
        ({"share_of_pool": 9.0}, RiskTier.MEDIUM),
        ({"share_of_pool": 1.0, "production": True}, RiskTier.MEDIUM),
        ({"share_of_pool": 1.01, "production": True}, RiskTier.HIGH),
        ({"share_of_cluster": 0.26}, RiskTier.MEDIUM),
        ({"share_of_cluster": 0.51}, RiskTier.HIGH),
        ({"share_of_cluster": None}, RiskTier.LOW),
        ({"nodes_after": 4}, RiskTier.LOW),
        ({"nodes_after": 3}, RiskTier.MEDIUM),
        ({"nodes_after": 3, "production": True}, RiskTier.HIGH),
        ({"nodes_after": 0}, RiskTier.HIGH),
    ],
)
def test_each_line_of_the_table_holds_at_its_edge(changes: dict[str, Any], expected: RiskTier) -> None:
    assert tier(**changes) is expected


@given(some_facts)
def test_production_is_never_low(given_facts: RiskFacts) -> None:
    assert risk_of(replace(given_facts, production=True)).tier is not RiskTier.LOW


@given(some_facts)
def test_what_is_not_known_or_cannot_be_taken_back_is_high(given_facts: RiskFacts) -> None:
    for unknown in ({"observed": False}, {"monthly_delta": None}, {"reversible": False}):
        assert risk_of(replace(given_facts, **unknown)).tier is RiskTier.HIGH


@given(some_facts, st.floats(0, 20), st.decimals(0, 20_000, places=2), st.integers(0, 50))
def test_making_any_one_fact_worse_never_lowers_the_tier(
    given_facts: RiskFacts, share: float, amount: Decimal, nodes: int
) -> None:
    worse: list[dict[str, Any]] = [
        {"production": True},
        {"untrusted": True},
        {"observed": False},
        {"reversible": False},
        {"share_of_pool": given_facts.share_of_pool + share},
        {"share_of_cluster": (given_facts.share_of_cluster or 0.0) + share},
        {"monthly_delta": None},
        {"nodes_after": max(0, min(given_facts.nodes_after, given_facts.nodes_before) - nodes)},
    ]
    if given_facts.monthly_delta is not None:
        worse.append({"monthly_delta": given_facts.monthly_delta + amount})
    if given_facts.monthly_threshold is not None:
        worse.append({"monthly_threshold": max(Decimal(0), given_facts.monthly_threshold - amount)})
    before = risk_of(given_facts).tier.severity
    for change in worse:
        assert risk_of(replace(given_facts, **change)).tier.severity >= before, change


@given(some_facts)
def test_reasons_come_worst_first_and_only_a_low_risk_has_none(given_facts: RiskFacts) -> None:
    found = risk_of(given_facts)
    assert bool(found.reasons) == (found.tier is not RiskTier.LOW)


def test_a_risk_is_raised_by_what_was_stored_and_never_lowered() -> None:
    low, high = risk_of(CALM), risk_of(replace(CALM, observed=False))
    assert low.at_least(RiskTier.HIGH, "stored").reasons == ("stored",)
    assert high.at_least(RiskTier.LOW, "stored") is high


def known(**changes: Any) -> RiskFacts:
    given_facts = facts(**changes)
    return risk_facts_of(
        given_facts.draft,
        given_facts.observation,
        estimate(given_facts),
        production=given_facts.is_production,
        monthly_threshold=given_facts.approval_limits.max_monthly_delta,
    )


def test_facts_are_read_from_action_observation_and_price() -> None:
    found = known(draft=draft(action=resize(4)))
    assert (found.nodes_before, found.nodes_after) == (6, 12)
    assert (found.production, found.untrusted, found.reversible) == (True, False, True)
    assert found.monthly_delta == Decimal("3942.00")


def test_without_an_observation_or_a_zone_the_change_is_not_known() -> None:
    assert known(observation=None).observed is False
    assert known(observation=observation().model_copy(update={"zones": ()})).observed is False


def test_bounds_without_an_autoscaler_before_cannot_be_taken_back() -> None:
    assert known(draft=draft(action=bounds())).reversible is False
    assert known(draft=draft(action=bounds()), observation=autoscaled()).reversible is True


def test_text_of_an_alert_is_untrusted() -> None:
    assert known(draft=draft(trust=Trust.UNTRUSTED)).untrusted is True
