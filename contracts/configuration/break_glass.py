"""Break-glass: which gates two people may open in an emergency, and for how long."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import Discriminator, Field, Tag, field_validator

from contracts.base import Contract
from contracts.configuration.guardrails import ExtensionName
from contracts.configuration.values import Duration

_MOST = timedelta(hours=24)


class BypassableGate(StrEnum):
    """The only gates of Sluice's own that can be listed. Scope, halt, policy and blast radius never can."""

    CHANGE_WINDOW = "change_window"
    RATE = "rate"
    CIRCUIT_BREAKER = "circuit_breaker"
    BUDGET = "budget"
    """Where a soft cap asks for people. A hard cap holds."""
    APPROVAL_RULE = "approval_rule"
    """The quorum falls to `approval_quorum`, never to nobody."""


def _kind(gate: object) -> str:
    return "own" if "/" in str(gate) else "shipped"


Gate = Annotated[
    Annotated[BypassableGate, Tag("shipped")] | Annotated[ExtensionName, Tag("own")], Discriminator(_kind)
]
"""What a grant may name: also a guardrail of one's own, of which it opens only the reasons that it declares."""
MOST_GATES = 32
"""Gates that one grant may name."""


class BreakGlassLimits(Contract):
    """What a grant may do."""

    gates: tuple[Gate, ...] = (
        BypassableGate.CHANGE_WINDOW,
        BypassableGate.RATE,
        BypassableGate.CIRCUIT_BREAKER,
        BypassableGate.BUDGET,
    )
    """Gates that a grant may name; an empty list switches break-glass off."""
    longest: Duration = timedelta(hours=1)
    """From the confirmation on."""
    confirm_within: Duration = timedelta(minutes=15)
    """How long a grant waits for its second person."""
    approval_quorum: int = Field(default=1, ge=1, le=10)
    """People who must still approve each change while `approval_rule` is bypassed."""

    @field_validator("longest", "confirm_within")
    @classmethod
    def _is_short(cls, value: timedelta) -> timedelta:
        if not timedelta(minutes=1) <= value <= _MOST:
            raise ValueError("must be one minute to 24 hours")
        return value
