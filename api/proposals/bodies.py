"""What callers send to proposals over HTTP, and what they are answered at once."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from contracts.action import Action
from contracts.decision import MAX_REASON, DecisionKind, DecisionStatus, ReasonName
from contracts.proposal import ProposalState

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
