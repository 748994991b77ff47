"""AUDIT: rebuilds delegations and reminders from the payloads of their events alone. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from contracts.audit import AuditEvent, AuditType
from contracts.configuration.escalation import ReminderStep
from contracts.delegation import Delegation


@dataclass(frozen=True, slots=True)
class ReplayedDelegation:
    """A delegation, and what became of it."""

    delegation: Delegation
    revoked_at: datetime | None = None
    revoked_by: str | None = None


@dataclass(slots=True)
class ReplayedAttendance:
    """Who decides for whom, and who was told that nobody decides."""

    delegations: dict[str, ReplayedDelegation] = field(default_factory=dict)
    reminders: dict[tuple[str, datetime, ReminderStep], int] = field(default_factory=dict)
    """By proposal, begin of the wait, step: the revision that waited."""


AttendanceStep = Callable[[ReplayedAttendance, AuditEvent], None]
"""Folds one event in. Raises ValueError or KeyError when it does not follow from those before it."""


def _delegation_created(state: ReplayedAttendance, event: AuditEvent) -> None:
    found = Delegation.model_validate(event.payload)
    _must(found.id not in state.delegations)
    state.delegations[found.id] = ReplayedDelegation(found)


def _delegation_revoked(state: ReplayedAttendance, event: AuditEvent) -> None:
    found = Delegation.model_validate(event.payload["delegation"])
    present = state.delegations[found.id]
    _must(present.revoked_at is None and present.delegation == found)
    at, by = datetime.fromisoformat(event.payload["revoked_at"]), event.actor
    state.delegations[found.id] = replace(present, revoked_at=at, revoked_by=by.key)


def _proposal_reminded(state: ReplayedAttendance, event: AuditEvent) -> None:
    payload = event.payload
    since = datetime.fromisoformat(payload["waiting_since"])
    key = (payload["proposal_id"], since, ReminderStep(payload["step"]))
    _must(key not in state.reminders)
    state.reminders[key] = payload["revision"]


ATTENDANCE_STEPS: Mapping[AuditType, AttendanceStep] = {
    AuditType.DELEGATION_CREATED: _delegation_created,
    AuditType.DELEGATION_REVOKED: _delegation_revoked,
    AuditType.PROPOSAL_REMINDED: _proposal_reminded,
}


def _must(holds: bool) -> None:
    if not holds:
        raise ValueError("does not follow")
