"""Amounts of money as `Decimal`: exact, and spelled the same wherever they come from."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator

CENT = Decimal("0.01")
_LEAST = Decimal("1E-10")


class PriceKind(StrEnum):
    """What kind of price a node has."""

    LIST = "list"
    SPOT = "spot"
    COMMITTED_USE = "committed_use"
    """The list price less a discount that was bought."""


def plain(amount: Decimal) -> Decimal:
    """Return the same amount with two decimals, or with as many more as it needs.

    A database column of ten decimals gives `0E-10` and `4939.1000000000`; people and digests get `0.00` and `4939.10`.
    """
    in_cents = amount.quantize(CENT)
    if in_cents == amount:
        return in_cents
    return Decimal(f"{amount:f}".rstrip("0"))


def kept(amount: Decimal) -> Decimal:
    """Return the amount with at most ten decimals, which is what the database keeps of it.

    Rounded before it is written anywhere, it is the same in sums, entries and audit events.
    """
    rounded = amount.quantize(_LEAST, rounding=ROUND_HALF_UP)
    return amount if rounded == amount else rounded


Money = Annotated[Decimal, AfterValidator(plain)]
"""A field that holds an amount in its plain spelling."""
