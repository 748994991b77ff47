"""When a person must look, and how long people have."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from pydantic import Field, field_validator

from contracts.base import Contract
from contracts.configuration.values import Duration


class ApprovalLimits(Contract):
    """When a person must look although the environment asks for nobody, and how long they have."""

    min_confidence: float = Field(default=0.5, ge=0, le=1)
    """Below this an agent's proposal needs a person."""
    max_monthly_delta: Decimal | None = Field(default=None, ge=0)
    """Above this rise in cost per month a person must approve."""
    untrusted_needs_person: bool = False
    """Whether every proposal that stems from untrusted text needs a person. One that a model made of such text always
    does; the rules planner reads a few labels and nothing else."""
    decide_within: Duration = timedelta(hours=4)
    execute_within: Duration = timedelta(hours=1)
    """Added to `decide_within`: the last moment an effect may start."""

    @field_validator("decide_within", "execute_within")
    @classmethod
    def _is_positive(cls, value: timedelta) -> timedelta:
        if value <= timedelta(0) or value > timedelta(days=30):
            raise ValueError("must be above zero and at most 30 days")
        return value
