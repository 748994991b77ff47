"""Shapes of requests over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

from api.proposals.schemas import ProposalSummary
from contracts.progress import ProgressStep
from contracts.request import MAX_REQUEST_TEXT, AgentStep, Channel, RequestStatus

RequestText = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_REQUEST_TEXT)
]

ConversationId = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_]+$")]


class AskBody(BaseModel):
    """What somebody asks for, in their own words."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: RequestText
    conversation_id: ConversationId | None = None
    """The conversation that it continues, one of the caller's own; a new one when left out."""


class Accepted(BaseModel):
    """The request is stored; its one outcome will follow."""

    request_id: str
    conversation_id: str | None = None
    """Name it with the next request to go on from this one."""


class RequestView(BaseModel):
    """A request and what came of it."""

    request_id: str
    status: RequestStatus
    answer: str | None
    """The planner's words: an answer, a question, or why nothing was proposed. Unverified."""
    reason_code: str | None
    proposal_ids: tuple[str, ...]
    text: str
    requester: str
    channel: Channel
    conversation_id: str | None = None
    received_at: datetime
    closed_at: datetime | None


class StepView(ProgressStep):
    """`step` of the progress: a step that is new or has changed."""

    index: int
    """Which one, from 0. The same index comes again when the step has ended."""


class TextView(BaseModel):
    """`text` of the progress: all that the model has written so far. It replaces what came before."""

    text: str


class TurnView(RequestView):
    """A turn of a conversation, with what the planner did and what came of it."""

    steps: tuple[AgentStep, ...]
    """Calls of the model and of tools, in their order. Empty while the turn is open."""
    proposals: tuple[ProposalSummary, ...]


class ConversationSummary(BaseModel):
    """One line of the list of a person's own conversations."""

    conversation_id: str
    title: str
    """The beginning of its first turn."""
    turns: int
    started_at: datetime
    last_at: datetime
    status: RequestStatus
    """Of its newest turn."""


class ConversationPage(BaseModel):
    """A person's own conversations, the one with the newest turn first."""

    conversations: tuple[ConversationSummary, ...]


class ConversationView(BaseModel):
    """A conversation, oldest turn first."""

    conversation_id: str
    turns: tuple[TurnView, ...]
