from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from contracts.configuration import Limits, RateLimit, RateScope

SMALL = RateLimit(capacity=1, per_hour=2)


def test_a_budget_that_is_left_out_has_its_default() -> None:
    limits = Limits.model_validate(
        {"effects_per_hour": 7, "rates": {"agent": {"capacity": 1, "per_hour": 2}}}
    )
    assert limits.rate_of(RateScope.TARGET) == RateLimit(capacity=7, per_hour=7)
    assert limits.rate_of(RateScope.AGENT) == SMALL
    assert limits.rate_of(RateScope.TENANT) == limits.rate_of(RateScope.FLEET)
    assert limits.rate_of(RateScope.FLEET).capacity == 1_000


@pytest.mark.parametrize("scope", [scope.value for scope in RateScope])
@pytest.mark.parametrize(
    "blank", [None, "", {}, {"capacity": 5}, {"per_hour": 5}, {"capacity": None, "per_hour": 5}], ids=repr
)
def test_blank_is_refused_and_never_means_unlimited(scope: str, blank: Any) -> None:
    with pytest.raises(ValidationError):
        Limits.model_validate({"rates": {scope: blank}})


@pytest.mark.parametrize("number", [-1, 10_001, 1.5, "5", True], ids=repr)
def test_what_is_no_count_is_refused(number: Any) -> None:
    with pytest.raises(ValidationError):
        Limits.model_validate({"rates": {"fleet": {"capacity": number, "per_hour": 1}}})


@pytest.mark.parametrize("rule", ["storm", "oscillation", "repeats"])
@pytest.mark.parametrize("window", ["0s", "8d", "", None], ids=repr)
def test_no_rule_can_be_switched_off_by_its_window(rule: str, window: Any) -> None:
    with pytest.raises(ValidationError):
        Limits.model_validate({rule: {"window": window}})


@pytest.mark.parametrize(
    ("rule", "key"),
    [("storm", "proposals"), ("storm", "changes"), ("oscillation", "turns"), ("repeats", "proposals")],
)
@pytest.mark.parametrize("number", [0, None], ids=repr)
def test_no_rule_can_be_switched_off_by_its_count(rule: str, key: str, number: Any) -> None:
    with pytest.raises(ValidationError):
        Limits.model_validate({rule: {key: number}})


def test_rests_are_never_negative() -> None:
    with pytest.raises(ValidationError):
        Limits(reversal_cooldown=timedelta(seconds=-1))
