"""The kit finds each kind of flaw in a guardrail that has it, and none in those that Sluice ships."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from contracts.evaluation import Outcome, Verdict
from guardrails import samples
from guardrails.answers import Answers
from guardrails.conformance import Quality, check
from guardrails.evaluate import evaluate
from guardrails.extension import bypassable
from guardrails.facts import Facts
from guardrails.registry import GUARDRAILS, Guardrail

NAME = "acme-freeze/tidy"
ANSWER = Answers(NAME)
PATIENT = timedelta(hours=1)
FINE = ANSWER.allow("tidy", "Fine.")
ONE = {"grows": samples.facts()}


def flaws(decide: Callable[[Facts], Any], given: dict[str, Facts] | None = None) -> set[Quality]:
    return {flaw.quality for flaw in check(decide, given or ONE, name=NAME, budget=PATIENT).flaws}


@pytest.mark.parametrize(("name", "guardrail"), GUARDRAILS, ids=[name for name, _ in GUARDRAILS])
def test_every_shipped_guardrail_conforms(name: str, guardrail: Guardrail) -> None:
    report = check(guardrail, samples.samples(), name=name, budget=PATIENT)
    assert report.is_sound, report
    assert report.latency is not None


def test_the_published_facts_are_allowed_by_all_and_worse_ones_are_not() -> None:
    outcomes = {about: evaluate(given).outcome for about, given in samples.samples().items()}
    assert outcomes["grows"] is Outcome.ALLOW
    assert outcomes["grows far"] is Outcome.REQUIRE_APPROVAL
    assert outcomes["no money left"] is Outcome.DENY
    assert outcomes["nothing known"] is Outcome.DENY


def test_a_guardrail_that_keeps_everything_has_no_flaw() -> None:
    assert flaws(lambda _: FINE, samples.samples()) == set()


REACHING: dict[str, Callable[[], Any]] = {
    "time": time.time,
    "monotonic": time.monotonic,
    "now": lambda: datetime.now(UTC),
    "today": date.today,
    "random": lambda: random.randint(1, 6),
    "urandom": lambda: os.urandom(1),
    "uuid": uuid.uuid4,
    "environment": lambda: os.environ.get("HOME"),
    "file": lambda: Path(__file__).read_text(),
    "folder": lambda: list(Path(__file__).parent.iterdir()),
    "socket": lambda: socket.create_connection(("127.0.0.1", 9)),
    "process": lambda: subprocess.run([sys.executable, "-c", ""], check=True),
    "sleep": lambda: time.sleep(0),
}


@pytest.mark.parametrize("way", REACHING)
def test_reaching_outside_is_seen_even_where_it_changes_nothing(way: str) -> None:
    def decide(_: Facts) -> Verdict:
        try:
            REACHING[way]()
        except OSError:
            return FINE
        return FINE

    assert flaws(decide) == {Quality.PURE}


def test_files_are_refused_while_a_guardrail_is_watched_and_open_again_afterwards() -> None:
    content = []

    def decide(_: Facts) -> Verdict:
        content.append(Path(__file__).read_text())
        return FINE

    report = check(decide, ONE, name=NAME, budget=PATIENT)
    assert "reaches outside its facts: open" in str(report)
    assert content == []
    assert report.latency is None
    assert Path(__file__).read_text()
    assert sys.getprofile() is None


def test_a_memory_between_answers_is_seen() -> None:
    asked = []

    def decide(_: Facts) -> Verdict:
        asked.append(1)
        return ANSWER.allow("tidy", f"Asked {len(asked)} times.")

    assert Quality.PURE in flaws(decide)


def test_facts_that_are_changed_are_seen() -> None:
    def decide(given: Facts) -> Verdict:
        object.__setattr__(given, "mode", f"{given.mode}!")
        return FINE

    assert Quality.PURE in flaws(decide)


def test_knowing_less_and_allowing_more_is_seen() -> None:
    def decide(given: Facts) -> Verdict:
        if given.observation is not None:
            return ANSWER.deny("tidy", "untidy", "Too large.")
        return ANSWER.allow("tidy", "Nobody knows.")

    report = check(decide, ONE, name=NAME, budget=PATIENT)
    assert {flaw.quality for flaw in report.flaws} == {Quality.FAIL_CLOSED}
    assert "without observation it says allow instead of deny" in str(report)


@pytest.mark.parametrize("lost", ["price", "policy", "windows", "target", "environment"])
def test_each_fact_that_can_be_missing_is_taken_away(lost: str) -> None:
    def decide(given: Facts) -> Verdict:
        if getattr(given, lost) is not None:
            return ANSWER.require_approval("tidy", "ask", "Ask.")
        return FINE

    assert flaws(decide) == {Quality.FAIL_CLOSED}


def test_failing_over_a_missing_fact_is_a_deny_and_no_flaw() -> None:
    def decide(given: Facts) -> Verdict:
        assert given.observation is not None
        return FINE

    assert flaws(decide) == set()


def test_a_reason_of_a_missing_fact_must_not_be_bypassable() -> None:
    def decide(given: Facts) -> Verdict:
        return FINE if given.observation is not None else ANSWER.deny("tidy", "size_unknown", "How large?")

    assert flaws(decide) == set()
    report = check(bypassable("size_unknown")(decide), ONE, name=NAME, budget=PATIENT)
    assert {flaw.quality for flaw in report.flaws} == {Quality.FAIL_CLOSED}
    assert "without observation it says size_unknown, which break-glass would bypass" in str(report)


def test_a_reason_that_stands_with_all_facts_known_may_be_bypassable() -> None:
    def decide(_: Facts) -> Verdict:
        return ANSWER.hold("tidy", "not_now", "Not now.", held_on="x")

    assert flaws(bypassable("not_now")(decide), samples.samples()) == set()


@pytest.mark.parametrize("codes", [(), ("Not Plain",), ("guardrail_missing",)], ids=["none", "words", "ours"])
def test_a_declaration_that_says_nothing_or_too_much_is_seen(codes: tuple[str, ...]) -> None:
    @bypassable(*codes)
    def decide(_: Facts) -> Verdict:
        return FINE

    assert flaws(decide) == {Quality.SOUND}


def test_only_all_facts_missing_together_can_show_it() -> None:
    def decide(given: Facts) -> Verdict:
        known = given.observation is not None or given.price is not None
        return ANSWER.deny("tidy", "untidy", "No.") if known else FINE

    assert flaws(decide) == {Quality.FAIL_CLOSED}


def test_admitting_a_second_time_differently_is_seen() -> None:
    def decide(given: Facts) -> Verdict:
        if given.admitting and given.pass_number > 1:
            return ANSWER.deny("tidy", "untidy", "Once is enough.")
        return FINE

    assert flaws(decide) == {Quality.IDEMPOTENT}


@pytest.mark.parametrize(
    "answer",
    [
        None,
        Answers("halt").allow("r", "Fine."),
        FINE.model_copy(update={"outcome": Outcome.HOLD}),
        FINE.model_copy(update={"outcome": Outcome.REQUIRE_APPROVAL}),
        FINE.model_copy(update={"facts": {"big": 2**60}}),
        FINE.model_copy(update={"reason_code": "Not A Code"}),
    ],
    ids=["none", "impostor", "holds on nothing", "asks nobody", "inexact", "no code"],
)
def test_a_verdict_that_is_none_is_seen(answer: Any) -> None:
    assert flaws(lambda _: answer) == {Quality.SOUND}


def test_an_exception_over_a_sample_is_a_flaw_with_its_words() -> None:
    def decide(given: Facts) -> Verdict:
        raise LookupError("the team is missing")

    report = check(decide, ONE, name=NAME, budget=PATIENT)
    assert "sound: over 'grows': gives no verdict: LookupError: the team is missing" in str(report)


def test_the_budget_of_time_is_judged_and_the_time_told() -> None:
    def decide(_: Facts) -> Verdict:
        return ANSWER.allow("tidy", str(sum(range(2_000))))

    report = check(decide, ONE, name=NAME, budget=timedelta(0))
    assert [flaw.quality for flaw in report.flaws] == [Quality.FAST]
    assert "µs of 0 µs" in str(report)


def test_without_samples_nothing_would_be_checked() -> None:
    with pytest.raises(ValueError, match="no samples"):
        check(lambda _: FINE, {}, name=NAME)
