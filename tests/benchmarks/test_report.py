"""What a benchmark says at its end: a full run judges all it wants, a short one nothing that depends on speed."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path

import pytest

from benchmarks import report
from benchmarks.report import Figure, Result, Spread, at_most, conclude, spread_at_least, timed_at_most

TOO_SLOW = timed_at_most("the whole command", 70.0, 60.0, " s")
TOO_FEW = spread_at_least("throughput ÷ floor", Spread.of([0.2, 0.3]), 0.6, "×")
TOO_MANY = at_most("history events", 31, 30)
ENOUGH = at_most("billable actions", 6, 7)


def ended(tmp_path: Path, *figures: Figure, quick: bool) -> tuple[int, dict[str, object]]:
    """Return the exit status of a benchmark with these figures, and the document that it leaves."""
    report = tmp_path / "report.json"
    status = conclude(Result("How long?", figures), Namespace(quick=quick, report=report))
    return status, json.loads(report.read_text())


@pytest.mark.parametrize("missed", [TOO_SLOW, TOO_FEW, TOO_MANY])
def test_a_full_run_ends_with_1_where_any_target_is_missed(tmp_path: Path, missed: Figure) -> None:
    status, document = ended(tmp_path, ENOUGH, missed, quick=False)
    assert status == 1
    assert document["holds"] is False


def test_a_short_run_tells_what_it_timed_and_wants_nothing_of_it(tmp_path: Path) -> None:
    status, document = ended(tmp_path, ENOUGH, TOO_SLOW, TOO_FEW, quick=True)
    assert status == 0
    assert document["figures"] == [
        {"name": "billable actions", "value": "6", "wanted": "at most 7", "holds": True},
        {"name": "the whole command", "value": "70 s", "wanted": "", "holds": True},
        {"name": "throughput ÷ floor", "value": "0.25× (0.2 to 0.3)", "wanted": "", "holds": True},
    ]


def test_a_short_run_ends_with_1_where_what_it_counted_is_wrong(tmp_path: Path) -> None:
    assert ended(tmp_path, TOO_MANY, TOO_SLOW, quick=True)[0] == 1


def test_what_did_not_come_to_rest_is_a_note_of_the_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "UNREST", ["Begun though the server was not calm."])
    assert ended(tmp_path, ENOUGH, quick=False)[1]["notes"] == ["Begun though the server was not calm."]
