"""Limits that hold whatever people approve: how often, how soon, how much, after how many failures."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field

from contracts.base import Contract
from contracts.configuration.values import Duration


class BreakerLimits(Contract):
    """When a circuit breaker opens, and for how long."""

    failures: int = Field(default=3, ge=1, le=100)
    """Failed effects in a row."""
    cooldown: Duration = timedelta(minutes=5)


class Limits(Contract):
    """Limits that hold for every target."""

    cooldown: Duration = timedelta(0)
    """Least time between two effects on one target."""
    max_share: float = Field(default=1.0, ge=0, le=100)
    """Largest change of a pool without a person, as a share of its present size: 1.0 allows doubling."""
    effects_per_hour: int = Field(default=30, ge=0, le=10_000)
    """Per target, and per agent."""
    breaker: BreakerLimits = BreakerLimits()
