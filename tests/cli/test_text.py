from __future__ import annotations

from decimal import Decimal

import pytest

from cli import exit_codes
from cli.exit_codes import ExitCode, of_state
from cli.text import duration, money
from contracts.proposal import DRY_RUN, ProposalState


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0, "0 s"), (59.9, "59 s"), (61, "1 min 1 s"), (14_399, "3 h 59 min"), (90_000, "1 d 1 h")],
)
def test_a_span_is_told_in_its_two_largest_units(seconds: float, told: str) -> None:
    assert duration(seconds) == told


def test_money_has_cents_thousands_and_a_sign_where_it_is_a_difference() -> None:
    assert money(Decimal("2744.8"), "USD", signed=True) == "+2,744.80 USD"
    assert money(Decimal("-3"), "USD", signed=True) == "-3.00 USD"
    assert money(Decimal(40000)) == "40,000.00"


def test_every_final_state_has_an_exit_code_and_only_success_is_zero() -> None:
    codes = {state: of_state(state.value) for state in ProposalState}
    assert [state for state, code in codes.items() if code is ExitCode.OK] == [ProposalState.SUCCEEDED]
    for state, code in codes.items():
        assert (code is ExitCode.PENDING) == (not state.is_final)


def test_a_dry_run_is_recognised_by_the_code_it_is_closed_with() -> None:
    assert exit_codes.DRY_RUN == DRY_RUN
    assert of_state(ProposalState.CANCELLED.value, DRY_RUN) is ExitCode.OK
    assert of_state(ProposalState.CANCELLED.value, "cancelled") is ExitCode.CONFLICT
