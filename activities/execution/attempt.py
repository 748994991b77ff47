"""What one attempt at an effect works with, and what admission may answer. Plain data."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from contracts.action import Action
from contracts.effect import Intent, Step
from contracts.proposal import Proposal

PASS_LASTS = timedelta(seconds=30)
"""A guard pass older than this admits nothing."""


@dataclass(frozen=True)
class EffectTimings:
    """How long things may take. The first three come from the settings."""

    call_timeout: timedelta = timedelta(seconds=45)
    operation_timeout: timedelta = timedelta(minutes=30)
    poll_interval: timedelta = timedelta(seconds=5)
    call_margin: timedelta = timedelta(seconds=10)
    """Added to the call's time-out: what lies between the intent and the call."""
    busy_wait: timedelta = timedelta(seconds=60)
    """How long one attempt waits for somebody else's operation before it asks for a new pass."""


@dataclass(frozen=True)
class Work:
    """One effect of one proposal: the forward one, or the way back."""

    proposal: Proposal
    step: Step
    key: str
    action: Action
    """What to ask of the provider in this step."""
    pass_number: int

    @property
    def domain(self) -> str:
        """What the lease is on."""
        return self.action.target.serialisation_domain


@dataclass(frozen=True)
class Granted:
    """The right to act until `expires`; older calls are waited out first."""

    intent: Intent
    wait: float
    """Seconds until no call of an older attempt can be in flight."""
    expires: float
    """Moment of the event loop's clock after which this attempt may not begin a call any more."""


@dataclass(frozen=True)
class Withdrawn:
    """Nothing was called, and nothing will be under this intent."""

    reason_code: str


BUSY = Withdrawn("foreign_operation")
"""Somebody else's operation runs, or got in first."""
TOO_LATE = Withdrawn("call_too_late")
"""This worker was too slow: its right to begin a call was over."""


@dataclass(frozen=True)
class Issued:
    """An operation of ours at the provider."""

    intent: Intent
    operation: str
    at: datetime
    adopted: bool
    since: float
    """`at`, as a moment of the event loop's clock."""
    in_time: bool = False
    """The attempt that called had its answer before the call deadline, by its own clock. Else the provider's tells."""
