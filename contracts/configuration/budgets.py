"""Budgets: caps on money per window, over everything or over one environment or team."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from contracts.base import Contract
from contracts.configuration.values import Name, TimeZone


class BudgetWindow(StrEnum):
    """How long a budget runs before it starts anew."""

    DAY = "day"
    MONTH = "month"


class BudgetScope(Contract):
    """What a budget covers. Every given field must match; none given covers the whole tenant."""

    environment: Name | None = None
    team: Name | None = None

    @property
    def key(self) -> str:
        """Canonical text, for example `environment=production`; `tenant` when nothing is given."""
        parts = [f"{name}={value}" for name, value in sorted(self.model_dump(exclude_none=True).items())]
        return ",".join(parts) or "tenant"

    def covers(self, *, environment: str, team: str) -> bool:
        """Tell whether a change in this environment by this team counts against it."""
        return self.environment in (None, environment) and self.team in (None, team)


class Budget(Contract):
    """A hard cap on infrastructure money."""

    scope: BudgetScope
    window: BudgetWindow
    limit: Decimal = Field(ge=0, max_digits=18, decimal_places=2)
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = "USD"
    time_zone: TimeZone = "UTC"
