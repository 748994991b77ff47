from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Any

import pytest

from contracts.configuration import Limits, RateLimit, Rates, RateScope
from contracts.evaluation import Outcome
from guardrails.facts import Facts, RateFacts
from guardrails.rate.bucket import TOKEN
from guardrails.rate.decision import decide
from tests.contracts.samples import AGENT, ANA, NOON
from tests.guardrails.samples import KEY, RATES, draft, facts

TWO = Limits(effects_per_hour=2)
SCOPES = pytest.mark.parametrize("scope", list(RateScope))


def used(scope: RateScope, tokens: int, ahead: int = 0) -> tuple[RateFacts, ...]:
    """Every budget full, but one of which so many tokens are used up at noon."""
    deficit = {"deficit": tokens * TOKEN, "as_of": NOON, "ahead": ahead}
    return tuple(
        dataclasses.replace(one, **(deficit if one.scope is scope else {}))  # type: ignore[arg-type]
        for one in RATES
    )


def limits_of(scope: RateScope, **size: int) -> Limits:
    return Limits(rates=Rates.model_validate({scope.value: RateLimit(**size)}))


def key_of(scope: RateScope) -> str:
    return next(one.key for one in RATES if one.scope is scope)


@SCOPES
def test_while_there_is_a_token_it_is_allowed(scope: RateScope) -> None:
    limits = limits_of(scope, capacity=2, per_hour=2)
    verdict = decide(facts(limits=limits, rates=used(scope, 1), admitting=True))
    assert verdict.outcome is Outcome.ALLOW
    assert verdict.facts["tokens"][key_of(scope)] == 1  # type: ignore[index,call-overload]


@SCOPES
def test_an_empty_budget_lets_wait_and_holds_before_the_effect(scope: RateScope) -> None:
    full: dict[str, Any] = {
        "limits": limits_of(scope, capacity=2, per_hour=2),
        "rates": used(scope, 2),
    }
    verdict = decide(facts(**full))
    assert verdict.outcome is Outcome.ALLOW
    assert "wait" in verdict.message
    verdict = decide(facts(admitting=True, **full))
    assert (verdict.outcome, verdict.reason_code) == (Outcome.HOLD, "rate_limited")
    assert verdict.held_on == f"rate:{key_of(scope)}"
    assert verdict.facts["free_at"] == (NOON + timedelta(minutes=30)).isoformat()
    assert verdict.remedy


def test_who_waits_behind_others_is_told_its_own_turn() -> None:
    rates = used(RateScope.TARGET, 2, ahead=3)
    verdict = decide(facts(limits=TWO, rates=rates, admitting=True))
    assert verdict.facts["free_at"] == (NOON + timedelta(hours=2)).isoformat()


def test_a_free_token_that_others_wait_for_is_not_taken_from_them() -> None:
    rates = used(RateScope.TARGET, 1, ahead=1)
    assert decide(facts(limits=TWO, rates=rates, admitting=True)).outcome is Outcome.HOLD


def test_what_has_its_tokens_already_needs_no_new_ones() -> None:
    verdict = decide(facts(limits=TWO, rates=used(RateScope.TARGET, 2), admitting=True, is_counted=True))
    assert verdict.outcome is Outcome.ALLOW


@pytest.mark.parametrize("admitting", [False, True])
@pytest.mark.parametrize("per_hour", [1, 0], ids=["too late", "never"])
def test_what_cannot_end_in_time_denies(admitting: bool, per_hour: int) -> None:
    limits = limits_of(RateScope.TARGET, capacity=1, per_hour=per_hour)
    verdict = decide(facts(limits=limits, rates=used(RateScope.TARGET, 7), admitting=admitting))
    assert (verdict.outcome, verdict.reason_code) == (Outcome.DENY, "rate_limited")


@SCOPES
def test_a_limit_of_zero_allows_nothing(scope: RateScope) -> None:
    limits = limits_of(scope, capacity=0, per_hour=10_000)
    assert decide(facts(limits=limits)).outcome is Outcome.DENY


def test_effects_per_hour_is_the_size_of_the_budgets_of_targets_and_agents() -> None:
    nothing = Limits(effects_per_hour=0)
    assert decide(facts(limits=nothing)).outcome is Outcome.DENY
    assert nothing.rate_of(RateScope.AGENT) == RateLimit(capacity=0, per_hour=0)
    assert nothing.rate_of(RateScope.TENANT).capacity > 0


@pytest.mark.parametrize("missing", [RateScope.TARGET, RateScope.TENANT, RateScope.FLEET, RateScope.AGENT])
def test_a_budget_that_is_missing_from_the_facts_denies(missing: RateScope) -> None:
    rates = tuple(one for one in RATES if one.scope is not missing)
    by_agent = facts(rates=rates, draft=draft(authors=(ANA, AGENT), confidence=0.9))
    assert decide(by_agent).reason_code == "rate_unknown"
    assert decide(facts(rates=())).outcome is Outcome.DENY


@pytest.mark.parametrize(
    ("minutes_ago", "held"), [(0, True), (9, True), (10, False), (11, False), (-5, True)]
)
def test_a_target_rests_for_the_whole_cooldown(minutes_ago: int, held: bool) -> None:
    verdict = decide(resting(timedelta(minutes=10), minutes_ago))
    assert (verdict.outcome is Outcome.HOLD) is held
    assert verdict.reason_code == ("cooldown" if held else "ok")
    assert verdict.held_on == (f"rate:cooldown:{KEY}" if held else None)


def resting(cooldown: timedelta, minutes_ago: int = 0, **changes: Any) -> Facts:
    last = NOON - timedelta(minutes=minutes_ago)
    return facts(
        **({"limits": Limits(cooldown=cooldown), "last_effect_at": last, "admitting": True} | changes)
    )


def test_a_rest_that_outlasts_the_proposal_denies() -> None:
    verdict = decide(resting(timedelta(days=1), admitting=False))
    assert (verdict.outcome, verdict.reason_code) == (Outcome.DENY, "cooldown")


def test_without_a_cooldown_the_last_effect_is_of_no_matter() -> None:
    assert decide(facts(last_effect_at=NOON, admitting=True)).outcome is Outcome.ALLOW


def test_the_longer_wait_is_the_one_that_counts() -> None:
    both = resting(
        timedelta(0),
        limits=Limits(effects_per_hour=2, cooldown=timedelta(minutes=40)),
        rates=used(RateScope.TARGET, 2),
        draft=draft(execute_by=NOON + timedelta(minutes=35)),
    )
    assert (decide(both).outcome, decide(both).reason_code) == (Outcome.DENY, "cooldown")
