from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from contracts.configuration import Limits
from contracts.evaluation import Outcome
from guardrails.facts import RateFacts
from guardrails.rate.decision import decide
from tests.contracts.samples import NOON
from tests.guardrails.samples import KEY, draft, facts

SOON, LATE = NOON + timedelta(minutes=20), NOON + timedelta(hours=6)
"""Before and after the sample's `execute_by`, five hours from noon."""
TWO = Limits(effects_per_hour=2)


def rate(uses: int, frees_at: datetime | None = SOON, key: str = KEY) -> RateFacts:
    return RateFacts(key=key, uses=uses, frees_at=frees_at)


@pytest.mark.parametrize("uses", [0, 1])
def test_below_the_limit_it_is_allowed(uses: int) -> None:
    verdict = decide(facts(limits=TWO, target_rate=rate(uses, None)))
    assert verdict.outcome is Outcome.ALLOW
    assert verdict.facts[KEY] == uses


@pytest.mark.parametrize(
    "full",
    [
        {"target_rate": rate(2)},
        {"agent_rate": rate(2, key="local/capacity-agent")},
        {"target_rate": rate(3), "agent_rate": rate(0, None, key="local/capacity-agent")},
    ],
)
def test_a_full_hour_lets_wait_and_holds_before_the_effect(full: dict[str, Any]) -> None:
    verdict = decide(facts(limits=TWO, **full))
    assert (verdict.outcome, verdict.rule) == (Outcome.ALLOW, "effects_per_hour")
    assert "wait" in verdict.message
    verdict = decide(facts(limits=TWO, admitting=True, **full))
    assert (verdict.outcome, verdict.reason_code) == (Outcome.HOLD, "rate_limited")
    assert verdict.held_on == f"rate:{KEY}"


@pytest.mark.parametrize("admitting", [False, True])
@pytest.mark.parametrize("frees_at", [LATE, None], ids=["too late", "never"])
def test_what_cannot_end_in_time_denies(admitting: bool, frees_at: datetime | None) -> None:
    verdict = decide(facts(limits=TWO, target_rate=rate(2, frees_at), admitting=admitting))
    assert (verdict.outcome, verdict.reason_code) == (Outcome.DENY, "rate_limited")


def test_a_limit_of_zero_allows_nothing() -> None:
    verdict = decide(facts(limits=Limits(effects_per_hour=0), target_rate=rate(0, None)))
    assert verdict.outcome is Outcome.DENY


@pytest.mark.parametrize(
    ("minutes_ago", "held"), [(0, True), (9, True), (10, False), (11, False), (-5, True)]
)
def test_a_target_rests_for_the_whole_cooldown(minutes_ago: int, held: bool) -> None:
    resting = facts(
        limits=Limits(cooldown=timedelta(minutes=10)),
        last_effect_at=NOON - timedelta(minutes=minutes_ago),
        admitting=True,
    )
    verdict = decide(resting)
    assert (verdict.outcome is Outcome.HOLD) is held
    assert verdict.reason_code == ("cooldown" if held else "ok")


def test_a_rest_that_outlasts_the_proposal_denies() -> None:
    resting = facts(limits=Limits(cooldown=timedelta(days=1)), last_effect_at=NOON)
    assert decide(resting).reason_code == "cooldown"
    assert decide(resting).outcome is Outcome.DENY


def test_without_a_cooldown_the_last_effect_is_of_no_matter() -> None:
    assert decide(facts(last_effect_at=NOON, admitting=True)).outcome is Outcome.ALLOW


def test_the_longer_wait_is_the_one_that_counts() -> None:
    both = facts(
        limits=Limits(effects_per_hour=2, cooldown=timedelta(minutes=30)),
        target_rate=rate(2, SOON),
        last_effect_at=NOON,
        admitting=True,
        draft=draft(execute_by=NOON + timedelta(minutes=25)),
    )
    assert (decide(both).outcome, decide(both).reason_code) == (Outcome.DENY, "cooldown")
