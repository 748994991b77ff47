"""Shapes of proposals over HTTP. What a reviewer sees is made of these typed fields; money is decimal text.

The door of three modules: `bodies.py` what is sent, `change_schemas.py` one change, and here the proposal around it.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Literal

from api.proposals.bodies import (
    Body,
    CommentBody,
    Commented,
    Created,
    DecideBody,
    Decided,
    Digest,
    Moved,
    ProposeBody,
    Reason,
    ReasonBody,
    ResolveBody,
    ResolvedAs,
    ReviseBody,
    Revised,
    View,
)
from api.proposals.change_schemas import After, Before, BlastRadius, BudgetEffect, Cost, Risk
from contracts.action import Action
from contracts.decision import DecisionKind, DecisionStatus, ReasonName
from contracts.effect import Receipt, Step, Verification
from contracts.evaluation import ApprovalRequirement, Outcome, RiskTier, Verdict
from contracts.principal import PrincipalKind, Role
from contracts.proposal import Planner, ProposalState
from contracts.request import AgentStep, Alert, Channel, Trust

__all__ = [
    "Actor",
    "After",
    "AskedFor",
    "Away",
    "Before",
    "BlastRadius",
    "Body",
    "BudgetEffect",
    "Comment",
    "CommentBody",
    "Commented",
    "Cost",
    "Created",
    "DecideBody",
    "Decided",
    "Digest",
    "Effect",
    "Eligibility",
    "Excluded",
    "Moved",
    "ProposalPage",
    "ProposalSummary",
    "ProposalView",
    "ProposeBody",
    "Reason",
    "ReasonBody",
    "ResolveBody",
    "ResolvedAs",
    "ReviseBody",
    "Revised",
    "Risk",
    "TimelineEntry",
    "View",
    "Vote",
    "WhoCanDecide",
]


class Actor(View):
    """Who, without roles."""

    kind: PrincipalKind
    subject: str
    issuer: str


class Vote(View):
    """One stored decision."""

    id: str
    reviewer: Actor
    on_behalf_of: tuple[Actor, ...] = ()
    """Whose roles or groups the reviewer was lent."""
    decision: DecisionKind
    revision: int
    reason: str
    reason_name: ReasonName | None = None
    at: datetime
    status: DecisionStatus
    reason_code: str | None
    """Why it was refused."""

    @property
    def stands(self) -> bool:
        """Whether it counts, or will as soon as the workflow takes it."""
        return self.status in (DecisionStatus.RECORDED, DecisionStatus.APPLIED)


class Eligibility(View):
    """Whether the caller may decide now."""

    may_decide: bool
    why_not: str | None
    """Reason code."""
    message: str
    open_to: tuple[DecisionKind, ...] = ()
    """Decisions that the caller may take now. Whoever has decided may decide otherwise, or take it back."""


class Excluded(View):
    """Somebody who may not decide, whatever their roles, and the reason code why."""

    who: Actor
    why: str


class Away(View):
    """Somebody who lets another person decide in their place for now."""

    who: Actor
    delegate: Actor
    until: datetime
    out_of_office: bool
    """Whether they do so for everything."""


class WhoCanDecide(View):
    """Any person who holds one of the roles and is not excluded."""

    roles: tuple[Role, ...]
    groups: tuple[str, ...] = ()
    """Each of these must be among the approvers."""
    missing_groups: tuple[str, ...] = ()
    """Those of them of which nobody has approved yet."""
    excluded: tuple[Excluded, ...]
    away: tuple[Away, ...] = ()
    """Who lets somebody else decide meanwhile."""


class Comment(View):
    """Words of a person. They decide nothing."""

    id: str
    revision: int
    author: Actor
    text: str
    at: datetime


class AskedFor(View):
    """The request that a proposal came from. Untrusted text and alerts were written by anybody: data, never proof."""

    id: str
    requester: Actor
    channel: Channel
    trust: Trust
    text: str
    alert: Alert | None
    received_at: datetime


class Effect(View):
    """One effect: forward, or the compensation that takes it back."""

    step: Step
    fence: int
    operation: str | None
    issued_at: datetime | None
    receipt: Receipt | None
    verification: Verification | None


class TimelineEntry(View):
    """One audit event in short."""

    at: datetime
    type: str
    actor: Actor
    from_state: str | None = None
    to_state: str | None = None
    reason_code: str | None = None
    message: str | None = None


class ProposalSummary(View):
    """One line of a list."""

    id: str
    state: ProposalState
    state_since: datetime
    reason_code: str | None
    held_on: str | None
    revision: int
    verb: str
    summary: str
    action: Action
    target: str
    environment: str
    team: str
    requester: str
    channel: Channel
    planner: Planner
    outcome: Outcome | None
    risk: RiskTier = RiskTier.HIGH
    monthly_delta: Decimal | None
    currency: str | None
    quorum: int | None
    dry_run: bool
    created_at: datetime
    decide_by: datetime
    execute_by: datetime


class ProposalPage(View):
    """One page, newest first."""

    items: tuple[ProposalSummary, ...]
    next_cursor: str | None


class ProposalView(View):
    """Everything a reviewer needs on one screen, and what came of it."""

    id: str
    tenant: str
    state: ProposalState
    state_since: datetime
    is_final: bool
    reason_code: str | None
    message: str | None
    held_on: str | None
    revision: int
    digest: str | None
    evaluation_digest: str | None = None
    verb: str
    summary: str
    action: Action
    target: str
    environment: str
    is_production: bool
    team: str
    mode: str
    dry_run: bool
    before: Before | None
    after: After
    blast_radius: BlastRadius | None
    risk: Risk = Risk(tier=RiskTier.HIGH, reasons=())
    cost: Cost | None = None
    outcome: Outcome | None = None
    pass_number: int | None = None
    policy_revision: str | None = None
    verdicts: tuple[Verdict, ...] = ()
    """Worst first."""
    requirement: ApprovalRequirement | None = None
    approvals: tuple[Vote, ...]
    approvals_given: int
    decided_by: Vote | None = None
    """The newest decision of this revision that stands."""
    eligibility: Eligibility
    who_can_decide: WhoCanDecide | None = None
    """None before the first pass: nobody is asked yet."""
    comments: tuple[Comment, ...] = ()
    """Oldest first."""
    requester: Actor
    authors: tuple[Actor, ...]
    channel: Channel
    trust: Trust
    request_id: str | None
    request: AskedFor | None = None
    """What was asked in words or by an alert; None where the action itself was named."""
    agent_steps: tuple[AgentStep, ...] = ()
    """Model and tool calls of the agent run that made this, in order, with their arguments, tokens and cost."""
    undoes: str | None
    planner: Planner
    confidence: float | None
    evidence: tuple[str, ...]
    reason: str
    reason_is_unverified: bool
    """True for words of an agent or of an alert: never proof of anything."""
    created_at: datetime
    decide_by: datetime
    execute_by: datetime
    seconds_left: float
    """Until `decide_by` while it waits, until `execute_by` while it is ready; never below zero."""
    on_expiry: Literal["rejected"] = "rejected"
    observation_age_seconds: float | None
    receipt: Receipt | None
    verification: Verification | None
    effects: tuple[Effect, ...]
    workflow_id: str
    timeline: tuple[TimelineEntry, ...]
