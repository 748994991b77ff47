"""Shapes of `/v1/delegations` and `/v1/approvers`."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from api.moments import Moment
from contracts.delegation import MAX_REASON, DelegationScope


class DelegationBody(BaseModel):
    """Who decides for whom, from when to when."""

    model_config = ConfigDict(extra="forbid")

    to: str = Field(min_length=1, max_length=401)
    """`issuer/subject` of the delegate: a person who holds a token or a session."""
    delegator: str | None = Field(default=None, min_length=1, max_length=401)
    """`issuer/subject`; by default the caller. Only an admin names somebody else."""
    scope: DelegationScope = DelegationScope()
    """Nothing given covers everything: out of office."""
    starts_at: Moment | None = None
    """By default now."""
    until: Moment
    reason: str = Field(min_length=1, max_length=MAX_REASON)


class DelegationView(BaseModel):
    """One delegation as people see it."""

    id: str
    delegator: str
    delegate: str
    scope: DelegationScope
    out_of_office: bool
    """Whether it covers everything."""
    is_active: bool
    starts_at: datetime
    until: datetime
    reason: str
    created_by: str
    revoked_at: datetime | None = None
    revoked_by: str | None = None
    may_end: bool
    """Whether the caller may end it: the delegator, or an admin."""


class Delegations(BaseModel):
    """Delegations in force or to come."""

    items: tuple[DelegationView, ...]


class ApproverFigures(BaseModel):
    """How one person decided in a span of time. Medians and shares are null without a decision to count."""

    reviewer: str
    """`issuer/subject`."""
    approvals: int
    rejections: int
    change_requests: int
    approval_rate: float | None
    """Approvals among approvals and rejections."""
    median_seconds: float | None
    """From the moment it waited for people to the decision."""
    p90_seconds: float | None
    under_ten_seconds: float | None
    """Share of decisions that were made in less than ten seconds."""
    later_undone: int
    """Approved proposals that were rolled back or are dirty."""
    overridden: int
    """Approvals that another person's rejection or request for change undid."""
    on_behalf: int
    """Decisions for somebody else."""


class Approvers(BaseModel):
    """Figures of everybody who decided, most decisions first."""

    since: datetime
    until: datetime
    items: tuple[ApproverFigures, ...]
    more: bool
    """Whether there are more people than are listed."""
    everybody: bool
    """False: only the caller's own figures are told."""
