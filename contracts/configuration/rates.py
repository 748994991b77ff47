"""How often agents and people may change things: token buckets, storms, oscillation, repeated proposals.

No limit can be switched off by leaving it blank: a key that is left out has its default, zero means nothing.
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from contracts.base import Contract
from contracts.configuration.values import Duration

MAX_RATE = 10_000


def _is_window(value: timedelta) -> timedelta:
    if value <= timedelta(0) or value > timedelta(days=7):
        raise ValueError("must be above zero and at most 7 days")
    return value


Window = Annotated[Duration, AfterValidator(_is_window)]
"""How far back is counted."""


class RateScope(StrEnum):
    """What an execution budget is counted for."""

    TARGET = "target"
    AGENT = "agent"
    TENANT = "tenant"
    FLEET = "fleet"
    """Everything in one database."""


class RateLimit(Contract):
    """A token bucket: `capacity` changes at once, and `per_hour` new tokens an hour until it is full again."""

    capacity: int = Field(strict=True, ge=0, le=MAX_RATE)
    per_hour: int = Field(strict=True, ge=0, le=MAX_RATE)


class Rates(Contract):
    """Execution budgets. `target` and `agent` are by default `effects_per_hour` at once and per hour."""

    target: RateLimit | None = None
    agent: RateLimit | None = None
    tenant: RateLimit = RateLimit(capacity=1_000, per_hour=1_000)
    fleet: RateLimit = RateLimit(capacity=1_000, per_hour=1_000)

    @model_validator(mode="before")
    @classmethod
    def _nothing_is_blank(cls, value: object) -> object:
        if isinstance(value, dict):
            for name, given in value.items():
                if given is None:
                    raise ValueError(f"{name} is blank: blank is no limit. Leave the key out for its default")
        return value


class Storm(Contract):
    """So much within `window`, by one agent or in one environment, is a storm: the guard halts it."""

    window: Window = timedelta(minutes=10)
    proposals: int = Field(default=500, strict=True, ge=1, le=100_000)
    changes: int = Field(default=200, strict=True, ge=1, le=100_000)
    """Admitted ones."""


class Oscillation(Contract):
    """So many turns of direction on one target within `window` need a person. Up, down, up has two."""

    turns: int = Field(default=2, strict=True, ge=1, le=20)
    window: Window = timedelta(hours=1)


class Repeats(Contract):
    """An agent may propose the same action on the same target this often within `window`, whatever came of it."""

    proposals: int = Field(default=5, strict=True, ge=1, le=1_000)
    window: Window = timedelta(hours=1)
