"""What nodes cost: which table, from what age its prices are old, and discounts for committed use."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator

from contracts.base import Contract
from contracts.configuration.values import Duration


class CommittedUse(Contract):
    """A discount that was bought for a machine family in a region. It never applies to Spot nodes or attached GPUs.

    Declare it only where it covers growth as well, or changes are estimated too low.
    """

    family: Annotated[str, Field(pattern=r"^[a-z][0-9]{1,2}[a-z]?$")]
    """For example `n2` or `g2`."""
    region: Annotated[str, Field(pattern=r"^[a-z]+-[a-z]+[0-9]{1,2}$")]
    discount: Decimal = Field(gt=0, lt=1, max_digits=6, decimal_places=4)
    """Share of the list price that is not paid: `0.37`."""


class Prices(Contract):
    """The price table. By default the one that ships; unknown denies, whatever the table."""

    table: str | None = Field(default=None, min_length=1, max_length=400)
    """A CSV file, beside this one or absolute, in place of the one that ships."""
    stale_after: Duration = timedelta(days=30)
    committed_use: tuple[CommittedUse, ...] = ()

    @field_validator("stale_after")
    @classmethod
    def _is_positive(cls, value: timedelta) -> timedelta:
        if not timedelta(0) < value <= timedelta(days=3_650):
            raise ValueError("must be above zero and at most 3650 days")
        return value

    @model_validator(mode="after")
    def _one_discount_each(self) -> Self:
        seen: set[tuple[str, str]] = set()
        for index, one in enumerate(self.committed_use):
            if (one.family, one.region) in seen:
                raise ValueError(
                    f"committed_use[{index}]: {one.family} in {one.region} has a discount already"
                )
            seen.add((one.family, one.region))
        return self

    def discount(self, machine_type: str, region: str) -> Decimal:
        """Return the discount on a machine type in a region; 0 where none is declared."""
        family = machine_type.partition("-")[0]
        found = (one.discount for one in self.committed_use if (one.family, one.region) == (family, region))
        return next(found, Decimal(0))
