"""Money is exact and has one spelling."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.money import plain


@pytest.mark.parametrize(
    ("amount", "spelled"),
    [
        ("0E-10", "0.00"),
        ("4939.1000000000", "4939.10"),
        ("40000", "40000.00"),
        ("0.8972018060", "0.897201806"),
        ("-12.50", "-12.50"),
        ("1E+3", "1000.00"),
    ],
)
def test_an_amount_is_spelled_with_two_decimals_or_as_many_as_it_needs(amount: str, spelled: str) -> None:
    assert str(plain(Decimal(amount))) == spelled


@given(st.decimals(min_value=-(10**12), max_value=10**12, places=10))
def test_spelling_never_changes_the_amount(amount: Decimal) -> None:
    assert plain(amount) == amount
    assert str(plain(plain(amount))) == str(plain(amount))
