from __future__ import annotations

from decimal import Decimal

import pytest

from api import words
from contracts.action import ACTION_KINDS
from contracts.decision import DecisionKind
from contracts.proposal import ProposalState
from contracts.safety import HaltScope


def test_money_has_separators_and_a_currency() -> None:
    assert words.money(Decimal("39391.945"), "USD") == "39,391.94 USD"
    assert words.money(Decimal("-5"), "EUR") == "−5.00 EUR"


def test_a_difference_always_shows_its_sign() -> None:
    assert words.delta(Decimal("1964.87"), "USD") == "+1,964.87 USD"
    assert words.delta(Decimal("-0.5"), "USD") == "−0.50 USD"
    assert words.delta(Decimal("0"), "USD") == "±0.00 USD"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (-3, "0 s"),
        (59.6, "1 min"),
        (14_340, "3 h 59 min"),
        (86_400, "1 d"),
        (90_000, "1 d 1 h"),
        (3_601, "1 h"),
    ],
)
def test_a_span_is_told_in_its_two_largest_units(seconds: float, text: str) -> None:
    assert words.duration(seconds) == text


def test_a_tiny_share_is_not_nothing() -> None:
    assert words.percent(0.004) == "<1%"
    assert words.percent(0) == "0%"
    assert words.percent(1.5) == "150%"


def test_every_final_state_says_what_became_of_the_target() -> None:
    for state in ProposalState:
        assert bool(words.ending(state)) == state.is_final


def test_where_no_effect_took_place_it_says_so() -> None:
    idle = {"denied", "rejected", "expired", "cancelled", "stale"}
    assert {state.value for state in ProposalState if "Nothing ran" in words.ending(state)} == idle


def test_whoever_an_identity_provider_names_is_told_from_our_own_of_that_name() -> None:
    assert words.issued_by("local") == words.issued_by("sluice") == ""
    assert words.issued_by("https://idp.example.com/realms/ops") == "idp.example.com/realms/ops"


def test_every_kind_of_action_and_every_decision_has_words() -> None:
    assert {words.action_kind(kind) for kind in ACTION_KINDS}.isdisjoint(ACTION_KINDS)
    assert [words.voted(kind) for kind in DecisionKind] == [
        "approved",
        "rejected",
        "asked for a change",
        "took their decision back",
    ]


def test_a_scope_is_told_in_one_line() -> None:
    assert words.scope(HaltScope(everything=True)) == "everything"
    some = HaltScope(environment="production", action_kind="gke.node_pool.resize")
    assert words.scope(some) == "environment production, action gke.node_pool.resize"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("local/ana", "ana"),
        ("sluice/sluice", "sluice"),
        ("https://id.example/realm/ana", "https://id.example/realm/ana"),
        ("https://id.example/realm%2Fana", "https://id.example/realm/ana"),
        ("local/team%2Fana", "team/ana"),
        ("local/team/ana", "team/ana"),
        ("unknown", "unknown"),
        ("", ""),
    ],
)
def test_a_person_of_an_identity_provider_is_named_whole(name: str, shown: str) -> None:
    assert words.who(name) == shown
