"""Shapes of halts, circuit breakers and budgets over HTTP. Money is decimal text."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from adapters.store.halt_reads import Fate
from contracts.configuration import BudgetKind, Duration
from contracts.decision import MAX_REASON
from contracts.money import Money
from contracts.proposal import ProposalState
from contracts.safety import MAX_HALT_REASON, BreakerState, HaltScope, HaltStatus

MAX_OPEN = timedelta(days=90)
"""Longest time for which a breaker is opened by hand; without a time it stays open until a person closes it."""
GivenReason = Annotated[str, Field(min_length=1, max_length=MAX_REASON)]


class HaltBody(BaseModel):
    """What to stop, and why."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    scope: HaltScope
    reason: Annotated[str, Field(min_length=1, max_length=MAX_HALT_REASON)]


class PreviewBody(BaseModel):
    """What a halt would cover."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    scope: HaltScope


class ResetBody(BaseModel):
    """Why a breaker may close before its time."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reason: GivenReason


class OpenBody(BaseModel):
    """Why a breaker is opened by hand, and for how long."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reason: GivenReason
    duration: Annotated[Duration, Field(gt=timedelta(0), le=MAX_OPEN)] | None = None
    """`30m`, `4h`, seconds or ISO 8601; absent: until a person closes it."""


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
    ended_at: datetime | None
    ended_by: str | None
    """`issuer/subject`."""


class Halts(BaseModel):
    """Halts: those that have not ended, oldest first; or the ended ones, newest first."""

    items: tuple[HaltView, ...]


class CoveredProposal(BaseModel):
    """A proposal that a halt covers, and what the halt does to it."""

    id: str
    state: ProposalState
    target: str
    summary: str
    environment: str
    requester: str
    fate: Fate
    until: datetime | None
    """`held`: it expires then. `calling`: the deadline of its call. Else null: as long as it takes."""
    resumes: bool
    """Whether it goes on when this very halt ends."""


class HaltReach(BaseModel):
    """What a scope covers at `at`: what a halt stops, and what finishes all the same. The first 50 of each."""

    at: datetime
    stops: tuple[CoveredProposal, ...]
    stops_count: int
    finishes: tuple[CoveredProposal, ...]
    finishes_count: int
    calls_in_flight: int
    """Covered calls that may still reach the provider: a halt drains while there is one."""
    last_deadline: datetime | None
    """When the last of these calls can no longer be in flight."""
    resumes_count: int
    """How many go on when this halt ends."""


class HaltPreview(HaltReach):
    """What a halt of this scope would meet now."""

    scope: HaltScope


class HaltDetail(HaltView):
    """One halt with what it covers. `reach` is null once it has ended."""

    reach: HaltReach | None


class HeldProposal(BaseModel):
    """A proposal in a line."""

    id: str
    state: ProposalState
    summary: str
    target: str


class BreakerMove(BaseModel):
    """One move of a breaker, from the audit log."""

    at: datetime
    from_state: BreakerState
    to_state: BreakerState
    reason_code: str
    reason: str
    """A person's words; empty unless it was reset."""
    actor: str
    """`issuer/subject`."""


class BreakerView(BaseModel):
    """One circuit breaker."""

    id: str
    state: BreakerState
    consecutive_failures: int
    openings: int
    """How often it opened without a success between; each doubles the cooldown."""
    rule: str | None
    """What opened it."""
    opened_at: datetime | None
    open_until: datetime | None
    """Null while open: until a person closes it."""
    read_first_until: datetime | None
    """Until then a read must succeed before a change may probe; null: no read is needed any more."""
    ready_at: datetime | None
    """Since when a probe may go."""
    probe_owner: str | None
    probe_expires_at: datetime | None
    last_reason_code: str | None


class BreakerDetail(BreakerView):
    """One circuit breaker with what it holds and how it came to be so."""

    cooldown_seconds_left: float | None
    """Until a proposal may probe an open one; 0 when one may."""
    probe: HeldProposal | None
    """The proposal that probes."""
    held: tuple[HeldProposal, ...]
    """What waits for it, in the order in which it goes on; the first 20."""
    held_count: int
    moves: tuple[BreakerMove, ...]
    """The last 10, newest first."""


class Breakers(BaseModel):
    """Every breaker that ever counted a failure or was opened by hand, by id."""

    items: tuple[BreakerDetail, ...]
    failures_to_open: int
    """Failures in a row that open one."""


class BudgetPoint(BaseModel):
    """What a budget held at a moment."""

    at: datetime
    reserved: Money
    committed: Money


class BiasView(BaseModel):
    """How far estimates were off, over the changes of the past 90 days that were expected to cost something."""

    share: Decimal
    """Sum of what they cost per hour by their verified size, divided by the sum of what was estimated, minus 1."""
    actions: int
    estimated_hourly: Money
    verified_hourly: Money


class BudgetView(BaseModel):
    """One configured budget in its present window."""

    scope: str
    kind: BudgetKind = BudgetKind.INFRASTRUCTURE
    """What the money is spent on: changes, or calls of models."""
    environment: str | None
    team: str | None
    agent: str | None = None
    window: str
    currency: str
    limit: Money
    soft_limit: Money | None = None
    """Above it a person must approve."""
    reserved: Money
    committed: Money
    """The cost of every change until the window's end, and of what ran when the window began."""
    hourly: Money = Decimal(0)
    """Committed run-rate per hour: the next window starts with it."""
    alerts: tuple[int, ...] = ()
    """Percent of the limit at which people are told."""
    alerted: int = 0
    """Highest of them that was reached in this window; 0 when none was."""
    bias: BiasView | None = None
    """Null while no change that it covers was verified."""
    spent: Money
    """The part of `committed` that is used up by now."""
    left: Money
    forecast: Money
    """Reserved and committed at the window's end if changes go on as they did (guardrails/budget/forecast.py)."""
    exhausted_at: datetime | None
    """When the forecast reaches the limit; null when it does not."""
    starts_at: datetime
    ends_at: datetime
    series: tuple[BudgetPoint, ...]
    """At most 120 points, from the window's start to now."""


class ModelDay(BaseModel):
    """What models cost on one day (UTC)."""

    day: date
    cost: Money
    requests: int


class ModelSpend(BaseModel):
    """What models cost this month (UTC), by the configured token prices."""

    currency: str = "USD"
    cap: Money | None = None
    """Limit of the tenant's monthly model budget; null when none is configured."""
    spent: Money
    since: datetime
    days: tuple[ModelDay, ...]


class Budgets(BaseModel):
    """Every configured budget, in the order of the configuration, and what models cost."""

    at: datetime
    items: tuple[BudgetView, ...]
    models: ModelSpend
    bias: BiasView | None = None
    """Over every change, whichever budget covers it."""
