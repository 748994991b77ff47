"""The page of published figures says what the file of figures says."""

from __future__ import annotations

import json

import pytest

from proofs.page import FIGURES, PAGE, table, written

KEPT = {
    "budget": {
        "promise": "One winner.",
        "figures": [
            {"name": "rounds", "value": "20", "wanted": "20", "holds": True},
            {"name": "reads", "value": "7", "wanted": "at least 9", "holds": False},
        ],
        "holds": False,
        "ended_at": "2026-01-02T03:04:05+00:00",
        "seconds": 90.0,
        "command": "python -m proofs.last_unit",
    }
}


def test_the_page_shows_the_kept_figures_and_nothing_else() -> None:
    page = PAGE.read_text()
    assert written(page, json.loads(FIGURES.read_text())) == page


def test_a_promise_that_was_not_kept_is_shown_as_such() -> None:
    [_, _, row] = table(KEPT).splitlines()
    assert row == (
        "| **Not kept:** One winner. | [test_last_unit.py](../tests/proofs/test_last_unit.py) "
        "| rounds: 20<br>reads: 7 (wanted at least 9) | 2026-01-02, 1.5 "
        "| `make proof-budget`: `python -m proofs.last_unit` |"
    )


def test_a_long_run_has_a_row_of_its_own_below() -> None:
    [_, _, full, long] = table(KEPT | {"budget-long": KEPT["budget"]}).splitlines()
    assert ("make proof-budget" in full, "make proof-long" in long) == (True, True)


def test_a_page_without_a_place_for_figures_is_refused() -> None:
    with pytest.raises(ValueError, match="no place"):
        written("# Reliability\n", KEPT)
