"""What a proof says at its end, and what its exit status means."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from proofs.report import Figure, Report, at_least, at_most, conclude, exactly, told

KEPT = Report("Nothing is lost (I5).", (exactly("requests lost", 0, 0),), again="python -m proofs.none")


def test_a_report_holds_only_with_figures_that_hold_and_without_a_fault() -> None:
    assert KEPT.holds
    assert not replace(KEPT, figures=()).holds
    assert not replace(KEPT, faults=("seed 7: lost",)).holds
    assert not replace(KEPT, figures=(*KEPT.figures, exactly("answers", 3, 4))).holds


@pytest.mark.parametrize(
    ("figure", "value", "wanted", "holds"),
    [
        (exactly("rounds", 5000, 5000), "5,000", "5,000", True),
        (at_least("seeds", 49_999, 50_000), "49,999", "at least 50,000", False),
        (at_least("seeds", 50_000, 50_000), "50,000", "at least 50,000", True),
        (at_most("amplification", 1.1, 1.1), "1.1", "at most 1.1", True),
        (at_most("resumed", 3.21, 3, " s"), "3.21 s", "at most 3 s", False),
        (told("reads", 1234), "1,234", "", True),
    ],
    ids=lambda value: value.name if isinstance(value, Figure) else None,
)
def test_a_figure_says_what_was_found_and_what_was_promised(
    figure: Figure, value: str, wanted: str, *, holds: bool
) -> None:
    assert (figure.value, figure.wanted, figure.holds) == (value, wanted, holds)


def test_the_end_of_a_proof_is_told_kept_and_turned_into_a_status(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = replace(KEPT, faults=("seed 7: lost",))
    assert conclude(KEPT, tmp_path / "kept.json") == 0
    assert conclude(broken, tmp_path / "broken.json") == 1
    shown = capsys.readouterr().out
    assert "holds after 0 s; again: python -m proofs.none" in shown
    assert "FAULT seed 7: lost" in shown
    assert "DOES NOT HOLD" in shown
    kept = json.loads((tmp_path / "kept.json").read_text())
    assert kept["holds"] is True
    assert kept["figures"] == [{"name": "requests lost", "value": "0", "wanted": "0", "holds": True}]
    assert json.loads((tmp_path / "broken.json").read_text())["holds"] is False
