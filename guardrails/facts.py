"""Everything any guardrail reads, gathered before the first one runs. Time is one of the facts, never asked for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from contracts.break_glass import BreakGlass
from contracts.configuration import (
    ApprovalLimits,
    BreakGlassLimits,
    Environment,
    Limits,
    RateScope,
    Target,
    WindowKind,
    counts_as_production,
)
from contracts.observation import NodePoolObservation
from contracts.override import GateOverride
from contracts.ports import NodePrice, PolicyResult
from contracts.principal import Principal, Role
from contracts.proposal import Draft
from contracts.safety import Breaker, Halt


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetFacts:
    """One budget that covers the change, in the window of this moment."""

    scope: str
    window: str
    currency: str
    ledger_currency: str
    """Currency of the sums already in the ledger."""
    limit: Decimal
    reserved: Decimal
    """Reserved by others; a reservation of this proposal is not counted."""
    committed: Decimal
    hours_left: Decimal
    soft_limit: Decimal | None = None
    """Above it a person must approve."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RateFacts:
    """One execution budget (`guardrails.rate.bucket`) as it stands. Its size is in the limits."""

    scope: RateScope
    key: str
    """Scope and what it counts, for example `agent:sluice/capacity-agent`."""
    deficit: int = 0
    as_of: datetime | None = None
    ahead: int = 0
    """Proposals that wait for a token of it and come first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PastChange:
    """An effect of another proposal on the same target."""

    direction: int
    """1 it grew, -1 it shrank, 0 neither."""
    at: datetime
    """When it ended, or began where it has not ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arriving:
    """Growth of the same target that was accepted and has not arrived."""

    proposal_id: str
    nodes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StormFacts:
    """How much there was within `limits.storm.window`; counting stops just above the limits."""

    agent_proposals: int = 0
    """By the agent of this proposal, it included."""
    agent_changes: int = 0
    """Admitted ones of the agent, this proposal not counted."""
    environment_proposals: int = 0
    """Once they are too many: without those of whoever made most."""
    environment_changes: int = 0
    requester_proposals: int = 0
    """In the environment, without an agent, once there are too many."""
    requester_changes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowFacts:
    """One change window that covers the change."""

    name: str
    kind: WindowKind
    lasts: bool
    """Whether this moment lies in it."""
    changes_at: datetime | None
    """When that changes; None: not within ten years."""
    override_roles: tuple[Role, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowsFacts:
    """Every change window that covers the change."""

    windows: tuple[WindowFacts, ...] = ()
    opens_at: datetime | None
    """When the change may take place: this moment, a later one, or None: no opening is in sight."""


@dataclass(frozen=True, slots=True)
class Turn:
    """When a proposal may go that a breaker had held: after it has closed, what it held goes one after the other."""

    held_on: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What one pass knows."""

    draft: Draft
    pass_number: int
    admitting: bool
    """False in the pass that checks a revision first, True right before the effect."""
    now: datetime
    mode: str
    """What this process would touch: `practice`, `endpoint` or `google`."""

    target: Target | None
    """Entry that registers the target; None = out of scope."""
    environment: Environment | None
    """Declaration of the target's environment."""
    limits: Limits
    approval_limits: ApprovalLimits
    sample_draw: int | None = None
    """The lot of this change, in a record that must not hold the salt it was drawn with; None: draw it."""
    configuration_revision: str | None = None
    """Digest of the whole configuration that target, environment, limits and budgets are taken from."""

    required_guardrails: tuple[str, ...] = ()
    """Guardrails of one's own that the configuration requires beside the shipped ones."""

    observation: NodePoolObservation | None
    observation_error: str | None = None
    """Reason code, when there is no observation."""
    policy: PolicyResult | None = None
    policy_error: str | None = None
    price: NodePrice | None = None
    price_error: str | None = None

    budgets: tuple[BudgetFacts, ...] = ()
    rates: tuple[RateFacts, ...]
    """Every execution budget that the change counts against."""
    is_counted: bool = False
    """This proposal was admitted before, and has its tokens."""
    last_effect_at: datetime | None = None
    """End of the latest effect on the target by another proposal."""
    past_changes: tuple[PastChange, ...] = ()
    """On the target, newest first: as far back as the limits look."""
    arriving: tuple[Arriving, ...] = ()
    repeats: int = 0
    """Earlier proposals of the agent for the same action on the same target, within `limits.repeats.window`."""
    storm: StormFacts = StormFacts()
    breakers: tuple[Breaker, ...] = ()
    turn: Turn | None = None
    """None: no breaker that has closed had held it."""
    halts: tuple[Halt, ...] = ()
    """Every open halt of the tenant, whether it covers this change or not."""
    windows: WindowsFacts | None = None
    """None: nobody looked. That is a deny, not a day without windows."""
    overrides: tuple[GateOverride, ...] = ()
    """Those of this revision that have not expired."""
    grants: tuple[BreakGlass, ...] = ()
    """Break-glass grants that are active, whether they cover this change or not."""
    break_glass: BreakGlassLimits | None = None
    """What the configuration lets a grant bypass; None: nothing."""
    lease_owner: str | None = None
    """Proposal that owns the lease on the target's serialisation domain."""
    ahead: int = 0
    """Proposals that wait for the same lease and come first."""
    first_ahead: str | None = None
    """The first of those. None: nobody noted which that was."""
    owners: tuple[str, ...] = ()
    """Who owns the agents among the authors: `issuer/subject` of people, and groups. They do not decide."""
    approvers: tuple[Principal, ...] = ()
    """Who gave a valid approval to this revision."""

    @property
    def agent(self) -> Principal | None:
        """The first agent among the authors."""
        return self.draft.agent

    @property
    def is_production(self) -> bool:
        """Whether the rules for production apply."""
        return counts_as_production(self.draft.environment, self.environment)
