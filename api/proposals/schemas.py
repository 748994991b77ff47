"""Shapes of proposals over HTTP. What a reviewer sees is made of these typed fields; money is decimal text."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from contracts.action import Action
from contracts.decision import MAX_REASON, DecisionKind, DecisionStatus, ReasonName
from contracts.effect import Receipt, Step, Verification
from contracts.evaluation import ApprovalRequirement, Outcome, RiskTier, Verdict
from contracts.money import PriceKind
from contracts.observation import Accelerator, AutoscalingBounds
from contracts.principal import PrincipalKind, Role
from contracts.proposal import Planner, ProposalState
from contracts.request import AgentStep, Alert, Channel, Trust

Reason = Annotated[str, Field(max_length=MAX_REASON)]
Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]


class Body(BaseModel):
    """Base of what callers send: unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class View(BaseModel):
    """Base of what we answer. A reader ignores fields it does not know, so that servers may add some."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class ProposeBody(Body):
    """A direct proposal: the caller names the action itself."""

    action: Action
    reason: Annotated[str, Field(min_length=1, max_length=MAX_REASON)]
    dry_run: bool = False
    """Evaluate only; the proposal ends after its first pass and nothing is reserved for good."""


class DecideBody(Body):
    """One person's decision on exactly one revision."""

    decision: DecisionKind
    revision: Annotated[int, Field(ge=1)]
    digest: Digest
    evaluation_digest: Digest | None = None
    """Digest of the evaluation that was shown. When given, a newer evaluation refuses the decision."""
    reason: Reason = ""
    reason_name: ReasonName | None = None
    """Why, from a fixed list. Signed and kept; never needed."""


class ReviseBody(Body):
    """Other values for a proposal that waits: the whole action, or the fields of it that change."""

    digest: Digest
    """Of the revision that was looked at; a newer one refuses the edit."""
    action: Action | None = None
    fields: Annotated[dict[str, int], Field(min_length=1, max_length=10)] | None = None
    reason: Annotated[str, Field(min_length=1, max_length=MAX_REASON, pattern=r"\S")]
    reason_name: ReasonName | None = None
    """What was wrong with the revision before, from a fixed list."""

    @model_validator(mode="after")
    def _one_way_to_say_it(self) -> Self:
        if (self.action is None) == (self.fields is None):
            raise ValueError("give either action or fields")
        return self


class Revised(View):
    """An edit was stored; the new revision is being evaluated."""

    proposal_id: str
    revision: int
    state: ProposalState


class CommentBody(Body):
    """What a person wants to tell the others. It decides nothing."""

    text: Annotated[str, Field(min_length=1, max_length=MAX_REASON, pattern=r"\S")]


class ReasonBody(Body):
    """Why, in the caller's words."""

    reason: Reason = ""


class ResolvedAs(StrEnum):
    """How an operator found a `dirty` target, and left it."""

    SUCCEEDED = "succeeded"
    ROLLED_BACK = "rolled_back"
    FAILED = "failed"


class ResolveBody(Body):
    """What an operator found out about a `dirty` proposal."""

    outcome: ResolvedAs
    reason: Annotated[str, Field(min_length=1, max_length=MAX_REASON)]


class Created(View):
    """A proposal was accepted and is being evaluated."""

    proposal_id: str


class Moved(View):
    """The state a proposal was moved to."""

    proposal_id: str
    state: ProposalState


class Commented(View):
    """A comment was stored."""

    proposal_id: str
    comment_id: str


class Decided(View):
    """What became of a decision: `applied` by the workflow, or `recorded` and on its way to it."""

    decision_id: str
    status: Literal[DecisionStatus.APPLIED, DecisionStatus.RECORDED]
    state: ProposalState
    approvals: int
    quorum: int


class Actor(View):
    """Who, without roles."""

    kind: PrincipalKind
    subject: str
    issuer: str


class Before(View):
    """The target as the provider reported it."""

    zones: dict[str, int]
    """Zone → target size."""
    running: dict[str, int]
    total: int
    machine_type: str
    accelerators: tuple[Accelerator, ...]
    spot: bool
    autoscaling: AutoscalingBounds | None
    status: str
    observed_at: datetime


class After(View):
    """The target as it would be."""

    zones: dict[str, int] | None = None
    """Zone → target size; None where an autoscaler decides, or the zones are not known yet."""
    total: int | None = None
    node_count: int | None = None
    """Per zone, as asked."""
    min_node_count: int | None = None
    max_node_count: int | None = None


class BlastRadius(View):
    """How much would change. For autoscaling bounds, nodes are counted at the upper bound."""

    nodes_before: int
    nodes_after: int
    node_delta: int
    share_of_pool: float
    """Absolute change over the pool's size; an empty pool counts as one node per zone."""
    share_of_cluster: float | None
    reversible: bool
    why_not_reversible: str = ""


class Risk(View):
    """How much a wrong change would hurt (`guardrails/risk.py`)."""

    tier: RiskTier
    reasons: tuple[str, ...]
    """In plain sentences, worst first."""


class BudgetEffect(View):
    """One budget this counts against."""

    scope: str
    window: str
    currency: str
    limit: Decimal
    reserved: Decimal
    committed: Decimal
    amount: Decimal
    left_after: Decimal
    share: float | None = None
    """`amount` over `limit`; None for a limit of zero."""


class Cost(View):
    """Cost of the change at list prices, as a difference."""

    currency: str
    monthly_delta: Decimal
    node_delta: int
    machine_type: str
    price_per_node_hour: Decimal
    price_source: str
    price_kind: PriceKind | None = None
    price_as_of: date
    is_stale: bool
    monthly_before: Decimal | None = None
    """What the nodes counted in `blast_radius` cost per month, before and after; None without an observation."""
    monthly_after: Decimal | None = None
    budgets: tuple[BudgetEffect, ...]


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
