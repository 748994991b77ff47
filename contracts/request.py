"""REQUEST: what somebody or something asked for, before any planner saw it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, JsonValue

from contracts.action import Action
from contracts.base import Contract
from contracts.principal import Principal

MAX_REQUEST_TEXT = 8_000
"""Characters of one chat request. Longer text is refused at intake."""
MAX_EARLIER_TURNS = 8
"""Turns of a conversation that a planner is shown again."""
MAX_TURN_TEXT = 1_000
"""Characters kept of each side of an earlier turn."""


class Channel(StrEnum):
    """How a request came in."""

    CHAT = "chat"
    EVENT = "event"
    API = "api"
    WEB = "web"
    """A button of the web pages: only an undo is proposed there."""
    CLI = "cli"
    MCP = "mcp"
    SCHEDULE = "schedule"

    @property
    def priority(self) -> int:
        """Whose work is taken up first, 1 before 5: a person who waits for an answer before a flood of alerts."""
        return _PRIORITIES.get(self.value, 3)


_PRIORITIES = {"chat": 2, "web": 2, "event": 4, "schedule": 4}


class Trust(StrEnum):
    """Whether the content was written by the authenticated requester, or by whoever can fire an alert."""

    TRUSTED = "trusted"
    UNTRUSTED = "untrusted"


class RequestStatus(StrEnum):
    """Where a request stands. The last five are final."""

    RECEIVED = "received"
    PLANNING = "planning"
    ANSWERED = "answered"
    ASKED = "asked"
    REFUSED = "refused"
    PROPOSED = "proposed"
    FAILED = "failed"

    @property
    def is_final(self) -> bool:
        """True once the request has its one outcome."""
        return self not in (RequestStatus.RECEIVED, RequestStatus.PLANNING)


class Alert(Contract):
    """One alert of an Alertmanager webhook (version 4), as data. Labels and annotations are untrusted text."""

    fingerprint: str = Field(min_length=1, max_length=64)
    starts_at: datetime
    status: Literal["firing", "resolved"]
    labels: dict[str, str]
    annotations: dict[str, str] = {}


class Turn(Contract):
    """One earlier turn of the same conversation, cut short. `answer` are a planner's unverified words."""

    text: str = Field(max_length=MAX_TURN_TEXT)
    answer: str = Field(default="", max_length=MAX_TURN_TEXT)
    proposals: tuple[str, ...] = ()
    """What was proposed in that turn, each in one line (`summary_of`)."""


class Request(Contract):
    """A request as it was received. `text` and `alert` are data for a planner, never instructions to us."""

    schema_version: Literal[1] = 1
    id: str
    tenant: str
    requester: Principal
    channel: Channel
    text: str = Field(max_length=MAX_REQUEST_TEXT)
    alert: Alert | None = None
    trust: Trust
    conversation_id: str | None = None
    """Chat: shared by the turns of one conversation."""
    earlier: tuple[Turn, ...] = Field(default=(), max_length=MAX_EARLIER_TURNS)
    """Its turns before this one, oldest first."""
    received_at: datetime


class ProposedAction(Contract):
    """One typed action an agent proposes, with its own unverified words about it."""

    action: Action
    rationale: str = Field(max_length=4_000)
    confidence: float = Field(ge=0, le=1)
    evidence: tuple[str, ...] = Field(default=(), max_length=20)


class Answered(Contract):
    """The agent answered; nothing is to be changed."""

    outcome: Literal["answered"] = "answered"
    text: str = Field(max_length=8_000)


class Asked(Contract):
    """The agent needs to know more before it can propose."""

    outcome: Literal["asked"] = "asked"
    text: str = Field(max_length=8_000)


class Refused(Contract):
    """Nothing was proposed, and why."""

    outcome: Literal["refused"] = "refused"
    text: str = Field(max_length=8_000)
    reason_code: str


class Proposed(Contract):
    """The agent proposes one or more actions."""

    outcome: Literal["proposed"] = "proposed"
    text: str = Field(default="", max_length=8_000)
    actions: tuple[ProposedAction, ...] = Field(min_length=1, max_length=5)


class Failed(Contract):
    """No planner could come to an outcome: a machine failed, not the request."""

    outcome: Literal["failed"] = "failed"
    text: str = Field(max_length=8_000)
    reason_code: str


RequestOutcome = Annotated[Answered | Asked | Refused | Proposed | Failed, Field(discriminator="outcome")]
"""What a request comes to. Anything an agent returns that is not one of these is `Refused`."""


class AgentStep(Contract):
    """One step of an agent run, kept for audit: a model call or a tool call, without its secrets."""

    kind: Literal["model", "tool"]
    name: str
    arguments: dict[str, JsonValue] = {}
    input_tokens: int = Field(default=0, ge=0)
    output_tokens: int = Field(default=0, ge=0)
    cost_usd: str = Field(default="0", max_length=60, pattern=r"^[0-9]+(\.[0-9]+)?$")
    error: str | None = None
