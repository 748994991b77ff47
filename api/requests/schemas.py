"""Shapes of requests over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

from contracts.request import MAX_REQUEST_TEXT, Channel, RequestStatus

RequestText = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_REQUEST_TEXT)
]


class AskBody(BaseModel):
    """What somebody asks for, in their own words."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: RequestText


class Accepted(BaseModel):
    """The request is stored; its one outcome will follow."""

    request_id: str


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
    received_at: datetime
    closed_at: datetime | None
