"""Circuit breakers in words, and the form that opens one."""

from __future__ import annotations

from datetime import timedelta

import pytest

from api.web.forms import FieldRefused
from api.web.operations import view
from api.web.operations.breaker_words import (
    DURATIONS,
    GUARDS,
    breaker_fields,
    breaker_of,
    opening_of,
    rule_words,
)
from contracts.circuit_breaker import BreakerScope, Rule
from contracts.configuration import BreakerLimits

LIMITS = BreakerLimits()


def test_everything_that_a_breaker_can_guard_has_words() -> None:
    assert set(GUARDS) == set(BreakerScope)


@pytest.mark.parametrize("rule", list(Rule))
def test_every_rule_is_told_in_words(rule: Rule) -> None:
    told = rule_words(rule.value, LIMITS)
    assert told
    assert "_" not in told


def test_a_rule_is_told_with_its_limit_and_an_unknown_one_as_it_is() -> None:
    assert rule_words("failure_rate", LIMITS) == "50% of at least 10 outcomes failed within 1 h"
    assert rule_words("moon_phase", LIMITS) == "moon_phase"
    assert rule_words(None, LIMITS) == ""


@pytest.mark.parametrize(
    ("breaker_id", "shown"),
    [
        ("provider:gke", "Provider GKE"),
        ("agent:sluice/capacity-agent", "Agent capacity-agent"),
        ("model:gpt-5-mini", "Model gpt-5-mini"),
        ("weather:rain", "weather:rain"),
    ],
)
def test_a_breaker_of_every_scope_is_named_in_plain_words(breaker_id: str, shown: str) -> None:
    assert view.breaker_name(breaker_id).text == shown


@pytest.mark.parametrize("breaker_id", ["kind:gke.node_pool.resize", "agent:sluice/a", "model:m:1"])
def test_a_form_names_a_breaker_and_the_way_back(breaker_id: str) -> None:
    assert breaker_of(breaker_fields(breaker_id)) == breaker_id


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, "guards"),
        ({"guards": "weather", "weather": "rain"}, "guards"),
        ({"guards": "kind", "target": "x"}, "kind"),
        ({"guards": "model", "model": "  "}, "model"),
    ],
)
def test_what_names_no_breaker_opens_none(fields: dict[str, str], field: str) -> None:
    with pytest.raises(FieldRefused) as refused:
        breaker_of(fields)
    assert refused.value.field == field


def test_an_address_that_names_no_breaker_chooses_nothing() -> None:
    assert breaker_fields("weather:rain") == breaker_fields("kind:") == breaker_fields("") == {}


@pytest.mark.parametrize("lasts", [given for given, _ in DURATIONS])
def test_every_offered_time_is_taken(lasts: str) -> None:
    assert (opening_of({"duration": lasts}, "why").duration is None) == (lasts == "")


def test_a_time_that_is_not_offered_is_refused() -> None:
    assert opening_of({"duration": "4h"}, "why").duration == timedelta(hours=4)
    with pytest.raises(FieldRefused):
        opening_of({"duration": "forever"}, "why")
