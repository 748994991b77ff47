"""AUDIT, live: which audit events are streamed, and how one looks on the wire.

Nothing of an event's payload is passed on but a state's name: agent and alert text stays out of the stream.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from fastapi.sse import format_sse_event
from sqlalchemy.engine import Row

from api.stream.schemas import Topic, UpdateView
from contracts.audit import AuditType

TOPIC_OF_FAMILY = {
    "request": Topic.REQUEST,
    "proposal": Topic.PROPOSAL,
    "decision": Topic.PROPOSAL,
    "lease": Topic.PROPOSAL,
    "intent": Topic.PROPOSAL,
    "effect": Topic.PROPOSAL,
    "receipt": Topic.PROPOSAL,
    "verification": Topic.PROPOSAL,
    "halt": Topic.HALT,
    "break_glass": Topic.HALT,
    "gate": Topic.PROPOSAL,
    "breaker": Topic.BREAKER,
    "ledger": Topic.BUDGET,
    "budget": Topic.BUDGET,
    "cost": Topic.BUDGET,
}
"""First part of an audit type → topic. A family that is not here, such as tokens and sessions, is not streamed."""

TOPICS: Mapping[AuditType, Topic] = MappingProxyType(
    {
        type_: TOPIC_OF_FAMILY[family]
        for type_ in AuditType
        if (family := type_.value.partition(".")[0]) in TOPIC_OF_FAMILY
    }
)
"""Every streamed type and its topic."""

_STATE_IN: Mapping[AuditType, str] = MappingProxyType(
    {
        AuditType.PROPOSAL_MOVED: "to",
        AuditType.BREAKER_MOVED: "to",
        AuditType.HALT_CREATED: "status",
        AuditType.HALT_EFFECTIVE: "status",
        AuditType.HALT_ENDED: "status",
        AuditType.BREAK_GLASS_OPENED: "status",
        AuditType.BREAK_GLASS_CONFIRMED: "status",
        AuditType.BREAK_GLASS_ENDED: "status",
        AuditType.BREAK_GLASS_LAPSED: "status",
        AuditType.BREAK_GLASS_REVIEWED: "status",
        AuditType.REQUEST_CLOSED: "status",
    }
)
"""Moves: where the payload names the state that was reached."""


@dataclass(frozen=True, slots=True)
class Update:
    """One update, encoded once for all streams."""

    number: int
    topic: Topic
    wire: bytes


def update_of(row: Row[int, bytes]) -> Update:
    """Return the update of a row (number, leaf) whose type is in `TOPICS`."""
    event = json.loads(row.leaf)
    type_ = AuditType(event["type"])
    view = UpdateView(
        number=row.number,
        type=type_,
        subject=event["subject"],
        at=event["at"],
        state=event["payload"].get(_STATE_IN.get(type_, "")),
        actor=event["actor"],
    )
    topic = TOPICS[type_]
    data = view.model_dump_json(exclude_none=True)
    return Update(row.number, topic, format_sse_event(data_str=data, event=topic.value, id=str(row.number)))
