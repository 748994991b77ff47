"""The lines of the feed, made of numbered events. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from api.audit.lines import Words, words_of
from api.audit.schemas import NumberedEvent
from api.web.audit.topics import ICONS, TOPIC_OF
from contracts.audit import AuditEvent, AuditType

ALARMING = frozenset({"dirty", "denied", "failed", "rolling_back", "rolled_back"})
"""States whose lines stand out."""


@dataclass(frozen=True, slots=True)
class Line:
    """One event, ready to be shown."""

    number: int
    event: AuditEvent
    told: Words
    topic: str
    icon: str
    is_alarming: bool


@dataclass(frozen=True, slots=True)
class Minute:
    """The lines of one minute (UTC), the newest first."""

    at: datetime
    lines: tuple[Line, ...]


def minutes_of(items: Sequence[NumberedEvent]) -> list[Minute]:
    """Group events, given the newest first, by the minute in which they happened. Unreadable ones are left out.

    Numbers and times may differ in order by a moment; the numbers' order stays.
    """
    lines = [_line(item.number, item.event) for item in items if item.event is not None]
    grouped = groupby(lines, key=lambda line: line.event.at.replace(second=0, microsecond=0))
    return [Minute(at, tuple(group)) for at, group in grouped]


def _line(number: int, event: AuditEvent) -> Line:
    topic = TOPIC_OF[event.type]
    return Line(number, event, words_of(event), topic, ICONS[topic], _is_alarming(event))


def _is_alarming(event: AuditEvent) -> bool:
    payload = event.payload
    match event.type:
        case AuditType.PROPOSAL_MOVED:
            return payload.get("to") in ALARMING
        case AuditType.BREAKER_MOVED:
            return payload.get("to") == "open"
        case AuditType.VERIFICATION_RECORDED:
            return payload.get("matches") is False
        case AuditType.HALT_CREATED | AuditType.HALT_EFFECTIVE | AuditType.DECISION_REFUSED:
            return True
        case _:
            return False
