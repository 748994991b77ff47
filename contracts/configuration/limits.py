"""Limits that hold whatever people approve: how often, how soon, how much, after how many failures."""

from __future__ import annotations

from datetime import timedelta
from typing import Self

from pydantic import Field, model_validator

from contracts.base import Contract
from contracts.configuration.rates import Oscillation, RateLimit, Rates, RateScope, Repeats, Storm
from contracts.configuration.values import Duration


class AgentBreakerLimits(Contract):
    """When an agent's breaker opens: its proposals then need a person, each of them."""

    rollback_rate: float = Field(default=0.3, gt=0, le=1)
    """Share of its effects that were rolled back or left dirty."""
    override_rate: float = Field(default=0.5, gt=0, le=1)
    """Share of its proposals that people rejected or asked to change."""
    least_outcomes: int = Field(default=10, ge=1, le=10_000)
    """Neither share counts below so many."""
    window: Duration = Field(default=timedelta(days=7), gt=timedelta(0), le=timedelta(days=90))


class BreakerLimits(Contract):
    """When a circuit breaker opens, and for how long. Each rule alone is enough."""

    failures: int = Field(default=3, ge=1, le=100)
    """Failed effects in a row."""
    failure_rate: float = Field(default=0.5, gt=0, le=1)
    """Share of failures inside the window."""
    least_outcomes: int = Field(default=10, ge=1, le=10_000)
    """The share does not count below so many."""
    failures_in_window: int = Field(default=10, ge=1, le=10_000)
    """Failures inside the window, whatever came between."""
    window: Duration = Field(default=timedelta(hours=1), gt=timedelta(0), le=timedelta(days=90))
    cooldown: Duration = Field(default=timedelta(minutes=5), ge=timedelta(0), le=timedelta(days=90))
    """Of the first opening; doubled by each further one without a success between."""
    max_cooldown: Duration = Field(default=timedelta(hours=1), ge=timedelta(0), le=timedelta(days=90))
    jitter: float = Field(default=0.1, ge=0, le=0.5)
    """Largest share by which a cooldown is shortened, drawn when the breaker opens."""
    agent: AgentBreakerLimits = AgentBreakerLimits()

    @property
    def longest_cooldown(self) -> timedelta:
        """The cap. Left unsaid, it is never below the cooldown itself."""
        return max(self.max_cooldown, self.cooldown)

    @model_validator(mode="after")
    def _cap_is_above(self) -> Self:
        if "max_cooldown" in self.model_fields_set and self.max_cooldown < self.cooldown:
            raise ValueError("max_cooldown is below cooldown")
        return self


class Limits(Contract):
    """Limits that hold for every target."""

    cooldown: Duration = Field(default=timedelta(0), ge=timedelta(0))
    """Least time between two effects on one target."""
    reversal_cooldown: Duration = Field(default=timedelta(0), ge=timedelta(0))
    """Least time between an effect and one in the opposite direction."""
    max_share: float = Field(default=1.0, ge=0, le=100)
    """Largest change of a pool without a person, as a share of its present size: 1.0 allows doubling."""
    effects_per_hour: int = Field(default=30, ge=0, le=10_000)
    """Per target, and per agent: the size of those token buckets where `rates` does not say another."""
    rates: Rates = Rates()
    storm: Storm = Storm()
    oscillation: Oscillation = Oscillation()
    repeats: Repeats = Repeats()
    breaker: BreakerLimits = BreakerLimits()

    def rate_of(self, scope: RateScope) -> RateLimit:
        """Return the token bucket of a scope."""
        given = {
            RateScope.TARGET: self.rates.target,
            RateScope.AGENT: self.rates.agent,
            RateScope.TENANT: self.rates.tenant,
            RateScope.FLEET: self.rates.fleet,
        }[scope]
        return given or RateLimit(capacity=self.effects_per_hour, per_hour=self.effects_per_hour)
