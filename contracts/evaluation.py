"""GUARDRAILS' answer: verdicts, what they combine to, and what the change would cost."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Literal

from pydantic import Field, JsonValue

from contracts.base import Contract, digest_of, unsaid
from contracts.money import Money, PriceKind, plain
from contracts.principal import GroupName, Role


class Outcome(StrEnum):
    """What a guardrail, or all of them together, says."""

    ALLOW = "allow"
    REQUIRE_APPROVAL = "require_approval"
    HOLD = "hold"
    DENY = "deny"

    @property
    def severity(self) -> int:
        """0 (allow) to 3 (deny): the highest wins."""
        return _OUTCOMES[self]


class RiskTier(StrEnum):
    """How much a wrong change would hurt, from its typed facts alone (`guardrails/risk.py`)."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"

    @property
    def severity(self) -> int:
        """0 (low) to 2 (high)."""
        return _TIERS[self]


_OUTCOMES = {outcome: rank for rank, outcome in enumerate(Outcome)}
_TIERS = {tier: rank for rank, tier in enumerate(RiskTier)}


class ApprovalRequirement(Contract):
    """How many people must approve, holding which roles. `rules` names who asked for it."""

    quorum: int = Field(ge=0, le=10)
    roles: tuple[Role, ...] = (Role.APPROVER,)
    rules: tuple[str, ...] = ()
    groups: tuple[GroupName, ...] = Field(default=(), exclude_if=unsaid)
    """Each of these must be represented among the approvers."""
    excluded: tuple[str, ...] = Field(default=(), exclude_if=unsaid)
    """Who may not decide beside the authors: `issuer/subject` of people, and groups. Owners of the agents."""
    decide_within: timedelta | None = Field(default=None, exclude_if=unsaid)
    """Shortest time to decide that a rule gives, from the first pass of the revision."""
    execute_within: timedelta | None = Field(default=None, exclude_if=unsaid)
    """Shortest time after it in which the effect may start."""

    def is_met_by(self, approvals: int) -> bool:
        """Tell whether this many valid approvals are enough."""
        return approvals >= self.quorum

    def covers(self, other: ApprovalRequirement) -> bool:
        """Tell whether meeting this one meets `other` too."""
        return (
            self.quorum >= other.quorum
            and set(other.roles) <= set(self.roles)
            and set(other.groups) <= set(self.groups)
            and set(other.excluded) <= set(self.excluded)
        )


class Verdict(Contract):
    """One guardrail's answer."""

    guardrail: str
    outcome: Outcome
    rule: str
    """Stable name of the rule that decided."""
    reason_code: str
    """Stable machine code, for example `budget_exceeded`; `ok` for a plain allow."""
    message: str
    """One sentence for a person."""
    facts: dict[str, JsonValue] = {}
    """The facts it used."""
    rule_revision: str = ""
    requirement: ApprovalRequirement | None = None
    """Set when the outcome is `require_approval`."""
    held_on: str | None = None
    """Set when the outcome is `hold`: the key whose release may free it, for example a lease's domain."""
    remedy: str | None = Field(default=None, exclude_if=unsaid)
    """One sentence: what would have to change for another answer, and who can change it."""


class BudgetLine(Contract):
    """One budget this change counts against. Amounts in `currency`."""

    scope: str
    """Canonical text of the scope, for example `environment=production`."""
    window: str
    """The window it falls in, for example `month:2026-11`."""
    currency: str
    limit: Money
    reserved: Money
    """Reserved by others at the time."""
    committed: Money
    amount: Money
    """What this change takes."""
    hours_left: Decimal
    soft_limit: Money | None = Field(default=None, exclude_if=unsaid)
    """Above it a person must approve."""

    @property
    def left_after(self) -> Decimal:
        """What would remain with this change counted."""
        return plain(self.limit - self.reserved - self.committed - self.amount)


class CostEstimate(Contract):
    """Cost of the change, as a difference. List prices; `price_as_of` tells how old they are."""

    currency: str
    machine_type: str
    region: str
    node_delta: int
    price_per_node_hour: Decimal
    monthly_delta: Decimal
    """Per month of 730 hours; negative when the change saves."""
    price_source: str
    price_as_of: date
    price_kind: PriceKind | None = Field(default=None, exclude_if=unsaid)
    """None in what was estimated before prices had kinds."""
    is_stale: bool = False
    lines: tuple[BudgetLine, ...] = ()


class Evaluation(Contract):
    """All verdicts of one pass."""

    schema_version: Literal[1] = 1
    proposal_id: str
    revision: int
    pass_number: int = Field(ge=1)
    at: datetime
    outcome: Outcome
    verdicts: tuple[Verdict, ...]
    requirement: ApprovalRequirement | None = None
    """Union of what the verdicts require. Set whenever any verdict requires approval, even when one denies."""
    cost: CostEstimate | None = None
    policy_revision: str = ""
    configuration_revision: str | None = Field(default=None, exclude_if=unsaid)
    """Digest of the declared configuration whose limits were judged by (`Configuration.revision`)."""

    @property
    def digest(self) -> str:
        """SHA-256 over the canonical form: what a reviewer's signature covers beside the proposal's digest."""
        return digest_of(self)

    @property
    def worst(self) -> Verdict:
        """The verdict that decided; the first by name among equals."""
        return max(self.verdicts, key=lambda verdict: verdict.outcome.severity)
