"""Break-glass: two people open some gates for a short time, and a third looks at what was done with it.

Never bypassed: scope, halt, policy, blast radius, idempotency, audit, any guardrail that failed, and one of one's own
that does not declare it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Self

from pydantic import Field, model_validator

from contracts.base import Contract
from contracts.configuration.break_glass import Gate
from contracts.decision import MAX_REASON
from contracts.evaluation import Verdict
from contracts.principal import Principal, PrincipalKind
from contracts.safety import HaltScope

PEOPLE_ONLY = "people_only"
NOT_AWAITING = "not_awaiting_second"
NOT_IN_REVIEW = "not_in_review"
NOT_ACTIVE = "not_active"
SAME_PERSON = "same_person"
BYPASS_FACT = "break_glass"
"""Fact of a bypassed verdict: the grant, and what the guardrail had said."""


class BreakGlassStatus(StrEnum):
    """`awaiting_second` → `active` → `review_open` → `reviewed`; or `lapsed`: nothing was ever bypassed."""

    AWAITING_SECOND = "awaiting_second"
    ACTIVE = "active"
    REVIEW_OPEN = "review_open"
    REVIEWED = "reviewed"
    LAPSED = "lapsed"


GRANT_TRANSITIONS: Mapping[BreakGlassStatus, frozenset[BreakGlassStatus]] = MappingProxyType(
    {
        BreakGlassStatus.AWAITING_SECOND: frozenset({BreakGlassStatus.ACTIVE, BreakGlassStatus.LAPSED}),
        BreakGlassStatus.ACTIVE: frozenset({BreakGlassStatus.REVIEW_OPEN}),
        BreakGlassStatus.REVIEW_OPEN: frozenset({BreakGlassStatus.REVIEWED}),
        BreakGlassStatus.REVIEWED: frozenset(),
        BreakGlassStatus.LAPSED: frozenset(),
    }
)
"""Every allowed move."""


class BreakGlass(Contract):
    """One grant. Whether it counts is asked at the database's clock: `active`, and before `expires_at`."""

    id: str
    scope: HaltScope
    """What it covers: the same words as a halt's."""
    gates: tuple[Gate, ...] = Field(min_length=1)
    reason: str = Field(min_length=1, max_length=MAX_REASON)
    minutes: int = Field(ge=1)
    """How long it lasts from its confirmation."""
    status: BreakGlassStatus
    opened_by: Principal
    opened_at: datetime
    confirm_by: datetime
    """Without a second person by then it lapses."""
    confirmed_by: Principal | None = None
    confirmed_at: datetime | None = None
    expires_at: datetime | None = None
    ended_by: Principal | None = None
    """Who ended it: a person, or Sluice when its time was over."""
    ended_at: datetime | None = None
    reviewed_by: Principal | None = None
    review: str = Field(default="", max_length=MAX_REASON)
    reviewed_at: datetime | None = None

    @model_validator(mode="after")
    def _has_two_people(self) -> Self:
        if self.status is BreakGlassStatus.ACTIVE and (
            self.confirmed_by is None or self.expires_at is None or self.confirmed_by.same_as(self.opened_by)
        ):
            raise ValueError("an active grant names two people and its end")
        return self

    def counts_at(self, now: datetime) -> bool:
        """Tell whether it bypasses anything at this moment."""
        return (
            self.status is BreakGlassStatus.ACTIVE and self.expires_at is not None and now < self.expires_at
        )


class BreakGlassUse(Contract):
    """A pass that let a proposal through because of a grant."""

    grant_id: str
    proposal_id: str
    revision: int
    pass_number: int
    gates: tuple[Gate, ...]
    """The gates that would have stopped it."""
    at: datetime


def grant_of(verdict: Verdict) -> str | None:
    """Return the id of the grant that bypassed this verdict, or None."""
    told = verdict.facts.get(BYPASS_FACT)
    return str(told["grant"]) if isinstance(told, dict) else None


def confirm_refusal(grant: BreakGlass, second: Principal, now: datetime) -> str | None:
    """Return why this person may not be the second, as a reason code, or None."""
    if second.kind is not PrincipalKind.HUMAN:
        return PEOPLE_ONLY
    if grant.status is not BreakGlassStatus.AWAITING_SECOND or now >= grant.confirm_by:
        return NOT_AWAITING
    return SAME_PERSON if second.same_as(grant.opened_by) else None


def review_refusal(grant: BreakGlass, reviewer: Principal) -> str | None:
    """Return why this person may not close the review, as a reason code, or None."""
    if reviewer.kind is not PrincipalKind.HUMAN:
        return PEOPLE_ONLY
    if grant.status is not BreakGlassStatus.REVIEW_OPEN:
        return NOT_IN_REVIEW
    took_part = (grant.opened_by, grant.confirmed_by)
    return SAME_PERSON if any(one is not None and reviewer.same_as(one) for one in took_part) else None
