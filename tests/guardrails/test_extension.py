"""A guardrail of one's own can only make a pass stricter, and is told apart from what Sluice ships."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from activities.guardrail.bypassing import uses_in
from adapters.configuration import parse
from contracts.break_glass import BYPASS_FACT, BreakGlassUse, grant_of
from contracts.configuration import BreakGlassLimits, BypassableGate
from contracts.errors import ConfigurationInvalid
from contracts.evaluation import Outcome, Verdict
from guardrails import registry
from guardrails.answers import Answers
from guardrails.break_glass import treated
from guardrails.counterfactual import judged
from guardrails.evaluate import evaluate
from guardrails.extension import MOST_BYTES, Extension, UnsoundVerdict, kept
from guardrails.facts import Facts
from guardrails.recording import Record, dump
from guardrails.recording import parse as parse_record
from tests.contracts.samples import NOON
from tests.guardrails.distribution import restored
from tests.guardrails.grants import grant, under
from tests.guardrails.samples import facts

clean_registry = pytest.fixture(autouse=True)(restored)
NAME = "acme-freeze/tidy"
ANSWER = Answers(NAME, revision="3")
FINE = ANSWER.allow("tidy", "Fine.")


def extension(decide: Callable[[Facts], Any], name: str = NAME) -> Extension:
    return Extension(name=name, distribution="acme-freeze", version="1.2.0", decide=decide)


def test_its_deny_denies_everywhere_a_pass_is_judged() -> None:
    registry.install([extension(lambda _: ANSWER.deny("tidy", "untidy", "No."))])
    given = facts()
    assert evaluate(given).outcome is Outcome.DENY
    assert judged(given, given.draft.action, given.policy).outcome is Outcome.DENY


def test_its_allow_opens_nothing_that_a_shipped_one_closes() -> None:
    registry.install([extension(lambda _: FINE)])
    assert evaluate(facts()).outcome is Outcome.ALLOW
    assert evaluate(facts(target=None)).outcome is Outcome.DENY


def test_people_that_it_asks_for_are_joined_with_the_others() -> None:
    registry.install([extension(lambda _: ANSWER.require_approval("two", "two_people", "Two.", quorum=2))])
    found = evaluate(facts())
    assert found.outcome is Outcome.REQUIRE_APPROVAL
    assert found.requirement is not None
    assert (found.requirement.quorum, found.requirement.rules) == (2, (f"{NAME}.two",))


def failing(_: Facts) -> Verdict:
    raise ZeroDivisionError


@pytest.mark.parametrize(
    "decide",
    [
        failing,
        lambda _: None,
        lambda _: Answers("halt").allow("r", "Fine."),
        lambda _: FINE.model_copy(update={"facts": {"big": 2**60}}),
        lambda _: FINE.model_copy(update={"facts": {"what": object()}}),
        lambda _: FINE.model_copy(update={"message": "\0"}),
        lambda _: FINE.model_copy(update={"facts": {BYPASS_FACT: {}}}),
        lambda _: FINE.model_copy(update={"outcome": "maybe"}),
    ],
    ids=["raises", "silent", "impostor", "inexact", "no json", "zero", "fakes break-glass", "no outcome"],
)
def test_one_that_fails_or_answers_what_cannot_be_kept_denies_and_its_version_is_told(decide: Any) -> None:
    registry.install([extension(decide)])
    found = evaluate(facts())
    assert found.outcome is Outcome.DENY
    assert (found.worst.guardrail, found.worst.reason_code) == (NAME, "guardrail_error")
    assert found.worst.rule_revision.startswith("acme-freeze 1.2.0, rules ")
    assert found.digest


@pytest.mark.parametrize(
    "changes",
    [
        {"reason_code": "Not A Code"},
        {"rule": ""},
        {"message": " "},
        {"message": "x" * MOST_BYTES},
        {"facts": {"a": "\0"}},
        {"facts": {"a": float("nan")}},
        {"facts": {"a": "\ud800"}},
        {"outcome": "maybe"},
        {"held_on": "x" * 201},
        {"held_on": " "},
        {"facts": {"free_at": "tomorrow"}},
        {"facts": {"free_at": 1}},
        {"facts": {"free_at": "2030-01-01T00:00:00"}},
        {"outcome": Outcome.HOLD, "held_on": "x", "facts": {"free_at": NOON.isoformat()}},
    ],
    ids=[
        *(
            "code",
            "rule",
            "message",
            "long",
            "zero",
            "nan",
            "surrogate",
            "no outcome",
            "long wait",
            "blank wait",
        ),
        *("no moment", "number", "no offset", "now"),
    ],
)
def test_what_cannot_be_stored_signed_or_shown_is_unsound(changes: dict[str, Any]) -> None:
    with pytest.raises(UnsoundVerdict):
        kept(FINE.model_copy(update=changes), NOON)


@pytest.mark.parametrize("which", ["decide_within", "execute_within"])
def test_people_are_given_time(which: str) -> None:
    times: dict[str, Any] = {which: timedelta(0)}
    with pytest.raises(UnsoundVerdict, match="no time"):
        kept(ANSWER.require_approval("two", "two_people", "Two.", **times), NOON)
    times = {which: timedelta(seconds=1)}
    assert kept(ANSWER.require_approval("two", "two_people", "Two.", **times), NOON)


def test_a_hold_may_say_when_it_ends() -> None:
    later = (NOON + timedelta(minutes=1)).isoformat()
    held = ANSWER.hold("tidy", "untidy", "Later.", held_on="acme:tidy", facts={"free_at": later})
    assert kept(held, NOON) == held


def test_a_required_one_that_is_missing_denies() -> None:
    found = evaluate(facts(required_guardrails=(NAME,)))
    assert found.outcome is Outcome.DENY
    assert (found.worst.guardrail, found.worst.reason_code) == (NAME, "guardrail_missing")
    registry.install([extension(lambda _: FINE)])
    assert evaluate(facts(required_guardrails=(NAME,))).outcome is Outcome.ALLOW


def test_what_was_required_is_recorded_and_read_back() -> None:
    given = facts(required_guardrails=(NAME,))
    assert NAME in dump(Record(facts=given))


def test_a_record_of_before_required_nothing() -> None:
    document = json.loads(dump(Record(facts=facts())))
    del document["facts"]["required_guardrails"]
    assert parse_record(document).facts.required_guardrails == ()


@pytest.mark.parametrize(
    "names", [(NAME, NAME), ("halt",), ("acme/a/b",)], ids=["twice", "shipped", "deeper"]
)
def test_a_name_that_could_be_anothers_is_not_installed(names: tuple[str, ...]) -> None:
    with pytest.raises(ConfigurationInvalid, match="cannot be told apart"):
        registry.install([extension(lambda _: FINE, name) for name in names])
    assert registry.installed() == ()


def test_no_shipped_gate_is_named_as_one_of_ones_own_could_be() -> None:
    assert not any("/" in gate for gate in BypassableGate)


HELD = ANSWER.hold("tidy", "not_now", "Not now.", held_on="x")
DENIED = ANSWER.deny("tidy", "untidy", "Not like this.")
ASKED = ANSWER.require_approval("tidy", "ask", "Ask.")


def under_glass(*declared: str, verdict: Verdict = HELD, **changes: Any) -> Verdict:
    """What a guardrail's verdict comes to under a grant that names it and a configuration that lists it."""
    one = replace(extension(lambda _: verdict), bypassable=frozenset(declared))
    gates = changes.pop("gates", (NAME,))
    given = under(grant(gates=changes.pop("granted", (NAME,))), limits=BreakGlassLimits(gates=gates))
    return evaluate(given, [(NAME, one)]).verdicts[0]


def test_without_a_declaration_break_glass_bypasses_nothing_of_it() -> None:
    for verdict in (HELD, DENIED, ASKED):
        assert under_glass(verdict=verdict).outcome is verdict.outcome


@pytest.mark.parametrize("verdict", [HELD, DENIED, ASKED], ids=["hold", "deny", "people"])
def test_a_declared_reason_is_bypassed_and_says_so(verdict: Verdict) -> None:
    found = under_glass(verdict.reason_code, verdict=verdict)
    assert (found.outcome, found.reason_code) == (Outcome.ALLOW, "break_glass")
    assert grant_of(found) == "brk_1"
    assert found.rule_revision == "acme-freeze 1.2.0, rules 3"


def test_a_reason_that_is_not_declared_stands_beside_one_that_is() -> None:
    assert under_glass("not_now", verdict=DENIED).outcome is Outcome.DENY


def test_a_failure_of_it_stands_whatever_it_declares() -> None:
    one = replace(extension(lambda _: None), bypassable=frozenset({"guardrail_error"}))
    given = under(grant(gates=(NAME,)), limits=BreakGlassLimits(gates=(NAME,)))
    assert evaluate(given, [(NAME, one)]).verdicts[0].reason_code == "guardrail_error"


@pytest.mark.parametrize(
    "changes",
    [{"gates": (BypassableGate.RATE,)}, {"granted": (BypassableGate.RATE,)}, {"granted": ("other/tidy",)}],
    ids=["not in the configuration", "not in the grant", "another in the grant"],
)
def test_configuration_and_grant_must_both_name_it(changes: dict[str, Any]) -> None:
    assert under_glass("not_now", **changes).outcome is Outcome.HOLD


def test_a_shipped_guardrail_takes_no_declaration() -> None:
    said = Answers("halt").hold("r", "halted", "Halted.", held_on="x")
    assert treated(said, under(), frozenset({"halted"})) == said


def test_what_a_grant_let_through_of_it_is_told_for_the_review() -> None:
    one = replace(extension(lambda _: HELD), bypassable=frozenset({"not_now"}))
    registry.install([one])
    given = under(grant(gates=(NAME,)), limits=BreakGlassLimits(gates=(NAME,)))
    (use,) = uses_in(given, evaluate(given))
    assert (use.gates, BreakGlassUse.model_validate_json(use.model_dump_json())) == ((NAME,), use)


@pytest.mark.parametrize("text", ["[halt]", "[Acme/tidy]", "['*']", "[acme/tidy, acme/tidy]", "['']", ""])
def test_a_configuration_requires_by_whole_names_or_not_at_all(text: str) -> None:
    with pytest.raises(ConfigurationInvalid):
        parse(f"environments: {{production: {{}}}}\nguardrails: {{required: {text}}}")


def test_a_configuration_that_requires_nothing_keeps_its_revision() -> None:
    plain = parse("environments: {production: {}}")
    assert "guardrails" not in plain.model_dump(mode="json")
    requiring = parse("environments: {production: {}}\nguardrails: {required: [acme-freeze/tidy]}")
    assert requiring.revision != plain.revision
    assert requiring.guardrails.required == (NAME,)


def test_a_pass_that_runs_again_after_a_crash_says_the_same() -> None:
    registry.install([extension(lambda given: ANSWER.allow("tidy", f"At {given.now}."))])
    given = facts()
    assert evaluate(given) == evaluate(replace(given))
