from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from cli.exit_codes import CommandFailed
from cli.policy_backtest import FailOn, _fails, _moment, _tell
from contracts.ports import PolicyResult, PolicyViolation
from guardrails.backtest.replay import Past, judge
from guardrails.backtest.report import Report
from guardrails.evaluate import evaluate
from guardrails.recording import Record
from tests.cli.conftest import Sluice
from tests.guardrails.samples import facts

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
DENIES = PolicyResult(
    violations=(PolicyViolation(rule="no_more", level="hard", message="No \x1b[31mmore."),),
    rules_evaluated=4,
    revision="sha256:2",
)


def report(*answers: PolicyResult) -> Report:
    found = Report()
    for number, answer in enumerate(answers):
        record = Record(facts=facts())
        past = Past(f"prp_{number}", 1, NOW, "a target", evaluate(record.facts), record)
        found.add(judge(past, replace(record), answer, None))
    return found


def test_flips_are_told_with_counts_money_rule_and_reason(capsys: pytest.CaptureFixture[str]) -> None:
    agrees = facts().policy
    assert agrees is not None
    found = report(DENIES, agrees, DENIES)
    found.leave_out("prp_9", 1, "no facts were recorded, or they were pruned")
    _tell(found)
    told = capsys.readouterr()
    assert "allow" in told.out
    assert "deny" in told.out
    assert "policy.no_more" in told.out
    assert "+7,884.00 USD" in told.out
    assert "\x1b[31m" not in told.out
    assert "3 of 4 records replayed" in told.err
    assert "2 would flip" in told.err
    assert "1 say nothing about the candidate: no facts were recorded, or they were pruned (prp_9" in told.err


def test_a_pipeline_fails_on_flips_on_what_cannot_be_replayed_and_on_nothing_at_all() -> None:
    agrees = facts().policy
    assert agrees is not None
    assert not _fails(report(DENIES), FailOn.NEVER)
    assert _fails(report(DENIES), FailOn.FLIPS)
    assert not _fails(report(agrees), FailOn.CHANGES)
    assert _fails(Report(), FailOn.FLIPS)
    missing = report(agrees)
    missing.leave_out("prp_9", 1, "pruned")
    assert _fails(missing, FailOn.FLIPS)


def test_moments_are_dates_or_spans() -> None:
    assert _moment(None, NOW) is None
    assert _moment("2026-11-01", NOW) == "2026-11-01T00:00:00+00:00"
    assert _moment("2d", NOW) == "2026-11-19T12:00:00+00:00"
    for wrong in ("", "yesterday", "d", "-3d", "99999999999d", "9" * 5_000 + "h"):
        with pytest.raises(CommandFailed):
            _moment(wrong, NOW)


def test_without_a_candidate_there_is_nothing_to_try(sluice: Sluice) -> None:
    done = sluice.run("policy", "backtest")
    assert done.returncode == 2
    assert "give a candidate" in done.stderr
