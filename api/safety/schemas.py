"""Shapes of halts, circuit breakers and budgets over HTTP. Money is decimal text."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from contracts.decision import MAX_REASON
from contracts.safety import BreakerState, HaltScope, HaltStatus

GivenReason = Annotated[str, Field(min_length=1, max_length=MAX_REASON)]


class HaltBody(BaseModel):
    """What to stop, and why."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    scope: HaltScope
    reason: GivenReason


class ResetBody(BaseModel):
    """Why a breaker may close before its time."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reason: GivenReason


class HaltMoved(BaseModel):
    """A halt and where it stands."""

    id: str
    status: HaltStatus


class HaltView(BaseModel):
    """One kill switch."""

    id: str
    scope: HaltScope
    reason: str
    status: HaltStatus
    created_by: str
    created_at: datetime
    effective_at: datetime | None


class Halts(BaseModel):
    """Every halt that has not ended, oldest first."""

    items: tuple[HaltView, ...]


class BreakerView(BaseModel):
    """One circuit breaker."""

    id: str
    state: BreakerState
    consecutive_failures: int
    opened_at: datetime | None
    open_until: datetime | None
    probe_owner: str | None
    last_reason_code: str | None


class Breakers(BaseModel):
    """Every breaker that ever counted a failure, by id."""

    items: tuple[BreakerView, ...]


class BudgetView(BaseModel):
    """One configured budget in its present window."""

    scope: str
    window: str
    currency: str
    limit: Decimal
    reserved: Decimal
    committed: Decimal
    left: Decimal
    ends_at: datetime


class Budgets(BaseModel):
    """Every configured budget, in the order of the configuration."""

    items: tuple[BudgetView, ...]
