"""PROPOSAL: a typed action bound to a digest, and the explicit table of the states it moves through."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Literal

from pydantic import Field

from contracts.action import Action
from contracts.base import Contract, digest_of_plain
from contracts.observation import NodePoolObservation, Precondition
from contracts.principal import Principal, PrincipalKind
from contracts.request import Channel, Trust

MAX_REVISIONS = 5
"""Revisions of one proposal, the first included."""


DRY_RUN = "dry_run"
"""Reason code under which an evaluated dry run is closed, and an effect of one refused."""
DECIDE_BY_PASSED = "decide_by_passed"
"""Reason code of an expiry: nobody decided in time."""
EXECUTE_BY_PASSED = "execute_by_passed"
"""Reason code of an expiry: it could not start in time."""
MODE_MISMATCH = "mode_mismatch"
"""Reason code of what was made for another mode than the one that runs."""


class ProposalState(StrEnum):
    """Where a proposal stands."""

    EVALUATING = "evaluating"
    AWAITING_APPROVAL = "awaiting_approval"
    READY = "ready"
    EXECUTING = "executing"
    VERIFYING = "verifying"
    ROLLING_BACK = "rolling_back"
    SUCCEEDED = "succeeded"
    ROLLED_BACK = "rolled_back"
    DENIED = "denied"
    REJECTED = "rejected"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    STALE = "stale"
    FAILED = "failed"
    DIRTY = "dirty"

    @property
    def is_final(self) -> bool:
        """True when the workflow is over. `dirty` counts: only an operator's `resolve` leaves it."""
        return self not in _LIVE

    @property
    def precedes_execution(self) -> bool:
        """True while nothing can have been changed yet, so that a cancel is safe."""
        return self in _BEFORE_EXECUTION


_S = ProposalState
_BEFORE_EXECUTION = frozenset({_S.EVALUATING, _S.AWAITING_APPROVAL, _S.READY})
_LIVE = _BEFORE_EXECUTION | {_S.EXECUTING, _S.VERIFYING, _S.ROLLING_BACK}

TRANSITIONS: Mapping[ProposalState, frozenset[ProposalState]] = MappingProxyType(
    {
        _S.EVALUATING: frozenset({_S.DENIED, _S.AWAITING_APPROVAL, _S.READY, _S.EXPIRED, _S.CANCELLED}),
        _S.AWAITING_APPROVAL: frozenset({_S.EVALUATING, _S.READY, _S.REJECTED, _S.EXPIRED, _S.CANCELLED}),
        _S.READY: frozenset(
            {_S.EXECUTING, _S.AWAITING_APPROVAL, _S.DENIED, _S.STALE, _S.EXPIRED, _S.CANCELLED}
        ),
        _S.EXECUTING: frozenset(
            {_S.VERIFYING, _S.ROLLING_BACK, _S.STALE, _S.FAILED, _S.DIRTY, _S.READY, _S.EXPIRED}
        ),
        _S.VERIFYING: frozenset({_S.SUCCEEDED, _S.ROLLING_BACK, _S.DIRTY}),
        _S.ROLLING_BACK: frozenset({_S.ROLLED_BACK, _S.DIRTY}),
        _S.DIRTY: frozenset({_S.SUCCEEDED, _S.ROLLED_BACK, _S.FAILED}),
    }
)
"""Every allowed move. `executing` → `ready` or `expired`: the intent was written, no call was made, and a new
pass is needed (a foreign operation ran, a halt came, the pass grew old). `dirty` is left by `resolve` only."""


class PlannerKind(StrEnum):
    """What made the proposal."""

    DIRECT = "direct"
    """A person or a program named the action itself."""
    RULES = "rules"
    OPENAI = "openai"
    UNDO = "undo"


class Planner(Contract):
    """Which planner, model and prompt made a proposal."""

    kind: PlannerKind
    model: str = ""
    prompt_version: str = ""
    prompt_digest: str = ""


class Draft(Contract):
    """A proposal before its first pass: everything but what the provider reports."""

    schema_version: Literal[1] = 1
    id: str
    tenant: str
    revision: int = Field(ge=1, le=MAX_REVISIONS)
    request_id: str | None = None
    undoes: str | None = None
    """Proposal whose effect this one takes back."""
    authors: tuple[Principal, ...] = Field(min_length=1)
    """The requester first, then everyone (agents too) who had a hand in any revision."""
    channel: Channel
    trust: Trust
    action: Action
    reason: str = Field(max_length=4_000)
    """The requester's reason, or the agent's rationale: unverified words."""
    confidence: float | None = Field(default=None, ge=0, le=1)
    evidence: tuple[str, ...] = ()
    planner: Planner
    environment: str
    """Empty when the target is not registered."""
    team: str
    mode: str
    """`practice`, `endpoint` or `google`: what the effect would touch."""
    dry_run: bool = False
    priority: int = Field(default=3, ge=1, le=5)
    """1 is served first."""
    created_at: datetime
    decide_by: datetime
    execute_by: datetime

    @property
    def requester(self) -> Principal:
        """Who asked."""
        return self.authors[0]

    @property
    def agent(self) -> Principal | None:
        """The first agent among the authors."""
        return next((author for author in self.authors if author.kind is PrincipalKind.AGENT), None)

    @property
    def agent_name(self) -> str | None:
        """Its name as budgets, limits, breakers and halts know it, and as it is stored."""
        agent = self.agent
        return agent.spelled if agent else None


class Proposal(Draft):
    """A draft with what the provider reported, and therefore with a digest."""

    observation: NodePoolObservation
    precondition: Precondition

    @property
    def digest(self) -> str:
        """SHA-256 over the canonical form of what is decided on. Policy is not part of it."""
        return digest_of_plain(
            {
                "tenant": self.tenant,
                "proposal_id": self.id,
                "revision": self.revision,
                "action": self.action.model_dump(mode="json"),
                "precondition": self.precondition.model_dump(mode="json"),
                "decide_by": self.decide_by.isoformat(),
                "execute_by": self.execute_by.isoformat(),
            }
        )
