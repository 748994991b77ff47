"""What a break-glass grant bypasses, and above all what it does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from contracts.break_glass import BreakGlassStatus, grant_of
from contracts.configuration import BreakGlassLimits, BypassableGate
from contracts.evaluation import Outcome, Verdict
from contracts.safety import HaltScope
from guardrails.answers import Answers
from guardrails.break_glass import BYPASSABLE, treated
from guardrails.evaluate import REQUIRED, evaluate
from guardrails.facts import Facts
from guardrails.registry import GUARDRAILS
from tests.contracts.samples import ANA, NOON
from tests.guardrails.grants import ALL, OLGA, grant, under
from tests.guardrails.samples import facts


def says(guardrail: str, outcome: Outcome, code: str) -> Verdict:
    answer = Answers(guardrail)
    if outcome is Outcome.HOLD:
        return answer.hold("r", code, "Wait.", held_on="x", facts={"a": 1}, remedy="Wait.")
    if outcome is Outcome.REQUIRE_APPROVAL:
        return answer.require_approval("r", code, "Ask.", quorum=3, facts={"a": 1})
    return answer.deny("r", code, "No.", {"a": 1}, remedy="Do not.")


STOPS = [Outcome.HOLD, Outcome.DENY, Outcome.REQUIRE_APPROVAL]
LISTED = [(gate, code) for gate, codes in BYPASSABLE.items() for code in sorted(codes)]


@pytest.mark.parametrize("outcome", STOPS)
@pytest.mark.parametrize(("gate", "code"), [one for one in LISTED if one[0] is not BypassableGate.BUDGET])
def test_a_listed_reason_becomes_an_allow_that_keeps_what_was_said(
    gate: BypassableGate, code: str, outcome: Outcome
) -> None:
    verdict = treated(says(gate.value, outcome, code), under())
    assert (verdict.outcome, verdict.reason_code) == (Outcome.ALLOW, "break_glass")
    assert (verdict.held_on, verdict.requirement, verdict.remedy) == (None, None, None)
    assert verdict.facts["a"] == 1
    told = verdict.facts["break_glass"]
    assert isinstance(told, dict)
    assert (told["grant"], told["outcome"], told["reason_code"]) == ("brk_1", outcome.value, code)
    assert grant_of(verdict) == "brk_1"


@pytest.mark.parametrize("outcome", STOPS)
@pytest.mark.parametrize("name", sorted(REQUIRED - set(BypassableGate)))
def test_scope_halt_policy_and_blast_radius_are_never_bypassed(name: str, outcome: Outcome) -> None:
    for code in ("halted", "frozen", "rate_limited", "anything"):
        said = says(name, outcome, code)
        assert treated(said, under()) == said


@pytest.mark.parametrize(
    ("gate", "code"),
    [
        ("change_window", "windows_unknown"),
        ("rate", "action_storm"),
        ("rate", "repeated_proposal"),
        ("rate", "rate_unknown"),
        ("circuit_breaker", "guardrail_error"),
        ("change_window", "guardrail_missing"),
        ("budget", "budget_exceeded"),
        ("budget", "price_unknown"),
    ],
)
@pytest.mark.parametrize("outcome", STOPS)
def test_what_failed_or_is_not_listed_stands(gate: str, code: str, outcome: Outcome) -> None:
    said = says(gate, outcome, code)
    assert treated(said, under()) == said


@pytest.mark.parametrize("code", sorted(BYPASSABLE[BypassableGate.BUDGET]))
def test_of_the_budget_only_what_asks_for_people_is_bypassed(code: str) -> None:
    assert treated(says("budget", Outcome.REQUIRE_APPROVAL, code), under()).outcome is Outcome.ALLOW
    for outcome in (Outcome.DENY, Outcome.HOLD):
        assert treated(says("budget", outcome, code), under()).outcome is outcome


@pytest.mark.parametrize(("floor", "quorum"), [(1, 1), (2, 2), (3, 3), (9, 3)])
def test_a_quorum_falls_to_what_is_configured_and_never_rises_or_vanishes(floor: int, quorum: int) -> None:
    limits = BreakGlassLimits(gates=(BypassableGate.APPROVAL_RULE,), approval_quorum=floor)
    verdict = treated(says("approval_rule", Outcome.REQUIRE_APPROVAL, "x"), under(limits=limits))
    assert verdict.outcome is Outcome.REQUIRE_APPROVAL
    assert verdict.requirement is not None
    assert verdict.requirement.quorum == quorum
    denied = says("approval_rule", Outcome.DENY, "x")
    assert treated(denied, under(limits=limits)) == denied


NONE: list[Callable[[], Facts]] = [
    lambda: facts(break_glass=ALL),
    lambda: under(limits=None),
    lambda: under(limits=BreakGlassLimits(gates=())),
    lambda: under(limits=BreakGlassLimits(gates=(BypassableGate.RATE,))),
    lambda: under(grant(gates=(BypassableGate.RATE,))),
    lambda: under(grant(scope=HaltScope(environment="development"))),
    lambda: under(grant(scope=HaltScope(agent="planner"))),
    lambda: under(grant(expires_at=NOON)),
    lambda: under(grant(status=BreakGlassStatus.AWAITING_SECOND)),
    lambda: under(grant(status=BreakGlassStatus.REVIEW_OPEN)),
    lambda: under(grant(status=BreakGlassStatus.LAPSED)),
]


@pytest.mark.parametrize("made", NONE, ids=range(len(NONE)))
def test_without_a_grant_that_counts_here_and_now_nothing_changes(made: Callable[[], Facts]) -> None:
    said = says("change_window", Outcome.HOLD, "frozen")
    assert treated(said, made()) == said


def test_in_a_whole_pass_only_the_bypassed_gate_opens() -> None:
    def stopping(name: str, code: str) -> tuple[tuple[str, Any], ...]:
        return tuple(
            (one, (lambda _: says(name, Outcome.HOLD, code)) if one == name else guardrail)
            for one, guardrail in GUARDRAILS
        )

    assert evaluate(under(), stopping("change_window", "frozen")).outcome is Outcome.ALLOW
    assert evaluate(facts(), stopping("change_window", "frozen")).outcome is Outcome.HOLD
    assert evaluate(under(), stopping("halt", "halted")).outcome is Outcome.HOLD


def test_one_person_alone_makes_no_active_grant() -> None:
    for changes in ({"confirmed_by": OLGA}, {"confirmed_by": None}, {"expires_at": None}):
        with pytest.raises(ValueError, match="two people"):
            grant(**changes)
    assert grant(confirmed_by=ANA).counts_at(NOON)
