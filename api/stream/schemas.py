"""Shapes of the event stream: what stands in `data:` of each server-sent event."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel

from contracts.audit import AuditType
from contracts.principal import PrincipalKind


class Topic(StrEnum):
    """What an update is about, and the name of its server-sent event."""

    PROPOSAL = "proposal"
    REQUEST = "request"
    HALT = "halt"
    BREAKER = "breaker"
    BUDGET = "budget"


class Actor(BaseModel):
    """Who did it. `subject` is unique within `issuer`."""

    kind: PrincipalKind
    issuer: str
    subject: str


class UpdateView(BaseModel):
    """That something happened, never what was said: whoever wants more asks for the subject."""

    number: int
    """The audit sequencer's number, also the event's `id`."""
    type: AuditType
    subject: str
    """Id of a proposal, request, halt or breaker. Of a budget's update it is the proposal that moved money."""
    at: datetime
    state: str | None = None
    """State or status after the move, where the event is one."""
    actor: Actor


class Greeting(BaseModel):
    """`hello` opens every stream; `reset` says that updates are missing and the client has to load anew."""

    number: int
    """Updates above this number follow."""
    server_time: datetime
    version: str
