"""Budgets: caps on money per window, over everything or over one environment, team or agent."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator

from contracts.base import Contract
from contracts.configuration.values import Name, TimeZone

AgentName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:@/-]{0,199}$")]
"""`issuer/subject` of an agent, or its subject alone."""
Percent = Annotated[int, Field(ge=1, le=1000)]
DEFAULT_ALERTS = (50, 80, 100)


class BudgetWindow(StrEnum):
    """How long a budget runs before it starts anew."""

    DAY = "day"
    MONTH = "month"


class BudgetKind(StrEnum):
    """What the money is spent on."""

    INFRASTRUCTURE = "infrastructure"
    """Changes that proposals make."""
    MODEL = "model"
    """Calls of language models, for requests."""


class BudgetScope(Contract):
    """What a budget covers. Every given field must match; none given covers the whole tenant."""

    environment: Name | None = None
    team: Name | None = None
    agent: AgentName | None = None
    """A change without an agent among its authors is not covered by an agent's budget."""

    @property
    def key(self) -> str:
        """Canonical text, for example `environment=production`; `tenant` when nothing is given."""
        parts = [f"{name}={value}" for name, value in sorted(self.model_dump(exclude_none=True).items())]
        return ",".join(parts) or "tenant"

    def covers(self, *, environment: str, team: str, agent: str | None = None) -> bool:
        """Tell whether a change in this environment by this team counts. `agent`: `issuer/subject` of its author."""
        return (
            self.environment in (None, environment) and self.team in (None, team) and self.covers_agent(agent)
        )

    def covers_agent(self, agent: str | None) -> bool:
        """Tell whether what this agent (`issuer/subject`, None = no agent) does counts."""
        if self.agent is None:
            return True
        return agent is not None and (agent == self.agent or agent.endswith(f"/{self.agent}"))


class Budget(Contract):
    """Caps on one kind of money: a hard one, and perhaps a soft one above which a person must approve."""

    kind: BudgetKind = BudgetKind.INFRASTRUCTURE
    scope: BudgetScope
    window: BudgetWindow
    limit: Decimal = Field(ge=0, max_digits=18, decimal_places=2)
    soft_limit: Decimal | None = Field(default=None, ge=0, max_digits=18, decimal_places=2)
    alerts: tuple[Percent, ...] = Field(default=DEFAULT_ALERTS, max_length=10)
    """Percent of `limit` at which people are told, once per window each. Empty: nobody is told."""
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = "USD"
    time_zone: TimeZone = "UTC"

    @property
    def key(self) -> str:
        """Name of its windows in the ledger: the scope's, with `model:` before it for what models cost."""
        return self.scope.key if self.kind is BudgetKind.INFRASTRUCTURE else f"{self.kind}:{self.scope.key}"

    def covers_change(self, *, environment: str, team: str, agent: str | None) -> bool:
        """Tell whether a change counts against it. `agent`: `issuer/subject` of the first agent among its authors."""
        return self.kind is BudgetKind.INFRASTRUCTURE and self.scope.covers(
            environment=environment, team=team, agent=agent
        )

    def covers_model(self, *, agent: str | None) -> bool:
        """Tell whether model calls for a request count against it. `agent`: `issuer/subject` of who plans with it."""
        return self.kind is BudgetKind.MODEL and self.scope.covers_agent(agent)

    @field_validator("alerts")
    @classmethod
    def _rise(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if list(value) != sorted(set(value)):
            raise ValueError("must rise, each percent once")
        return value

    @model_validator(mode="after")
    def _soft_is_below_hard(self) -> Self:
        if self.soft_limit is not None and self.soft_limit > self.limit:
            raise ValueError("soft_limit must not be above limit")
        return self

    @model_validator(mode="after")
    def _models_have_no_place(self) -> Self:
        if self.kind is BudgetKind.MODEL and (self.scope.environment or self.scope.team):
            raise ValueError("a model budget covers the tenant or an agent: no environment, no team")
        return self
