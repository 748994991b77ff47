"""Everything any guardrail reads, gathered before the first one runs. Time is one of the facts, never asked for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from contracts.configuration import ApprovalLimits, Environment, Limits, Target, counts_as_production
from contracts.observation import NodePoolObservation
from contracts.ports import NodePrice, PolicyResult
from contracts.principal import Principal, PrincipalKind
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


@dataclass(frozen=True, slots=True, kw_only=True)
class RateFacts:
    """Effects of the past hour under one key, this proposal's own not counted."""

    key: str
    """A target's key, or `issuer/subject` of an agent."""
    uses: int
    frees_at: datetime | None
    """When the count falls below the limit again; None while it is below."""


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

    observation: NodePoolObservation | None
    observation_error: str | None = None
    """Reason code, when there is no observation."""
    policy: PolicyResult | None = None
    policy_error: str | None = None
    price: NodePrice | None = None
    price_error: str | None = None

    budgets: tuple[BudgetFacts, ...] = ()
    target_rate: RateFacts
    agent_rate: RateFacts | None = None
    last_effect_at: datetime | None = None
    """End of the latest effect on the target by another proposal."""
    breakers: tuple[Breaker, ...] = ()
    halts: tuple[Halt, ...] = ()
    """Every open halt of the tenant, whether it covers this change or not."""
    lease_owner: str | None = None
    """Proposal that owns the lease on the target's serialisation domain."""
    ahead: int = 0
    """Proposals that wait for the same lease and come first."""
    approvers: tuple[Principal, ...] = ()
    """Who gave a valid approval to this revision."""

    @property
    def agent(self) -> Principal | None:
        """The first agent among the authors."""
        return agent_of(self.draft)

    @property
    def is_production(self) -> bool:
        """Whether the rules for production apply."""
        return counts_as_production(self.draft.environment, self.environment)


def agent_of(draft: Draft) -> Principal | None:
    """Return the first agent among the authors of a draft, or None."""
    return next((author for author in draft.authors if author.kind is PrincipalKind.AGENT), None)
