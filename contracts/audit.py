"""AUDIT: events with their whole payload, and the leaf form in which they enter the tree (RFC 6962)."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from contracts.base import Contract, canonical_json
from contracts.canonical import canonical_bytes
from contracts.principal import Principal

MAX_NUMBER = 2**63 - 1
"""Largest number an event can have (PostgreSQL's bigint)."""


class AuditType(StrEnum):
    """What happened. Names are stable."""

    REQUEST_RECEIVED = "request.received"
    REQUEST_PLANNING = "request.planning"
    REQUEST_CLOSED = "request.closed"
    ALERT_RESOLVED = "alert.resolved"
    PROPOSAL_CREATED = "proposal.created"
    PROPOSAL_EVALUATED = "proposal.evaluated"
    PROPOSAL_MOVED = "proposal.moved"
    PROPOSAL_REVISED = "proposal.revised"
    PROPOSAL_COMMENTED = "proposal.commented"
    DECISION_RECORDED = "decision.recorded"
    DECISION_APPLIED = "decision.applied"
    DECISION_REFUSED = "decision.refused"
    DECISION_VOIDED = "decision.voided"
    DECISION_SUPERSEDED = "decision.superseded"
    LEDGER_POSTED = "ledger.posted"
    BUDGET_ALERTED = "budget.alerted"
    COST_RECORDED = "cost.recorded"
    RATE_CONSUMED = "rate.consumed"
    LEASE_TAKEN = "lease.taken"
    LEASE_RELEASED = "lease.released"
    INTENT_WRITTEN = "intent.written"
    EFFECT_ISSUED = "effect.issued"
    EFFECT_LATE = "effect.late"
    RECEIPT_WRITTEN = "receipt.written"
    VERIFICATION_RECORDED = "verification.recorded"
    HALT_CREATED = "halt.created"
    HALT_EFFECTIVE = "halt.effective"
    HALT_ENDED = "halt.ended"
    BREAKER_MOVED = "breaker.moved"
    GATE_OVERRIDDEN = "gate.overridden"
    BREAK_GLASS_OPENED = "break_glass.opened"
    BREAK_GLASS_CONFIRMED = "break_glass.confirmed"
    BREAK_GLASS_USED = "break_glass.used"
    BREAK_GLASS_ENDED = "break_glass.ended"
    BREAK_GLASS_LAPSED = "break_glass.lapsed"
    BREAK_GLASS_REVIEWED = "break_glass.reviewed"
    TOKEN_ISSUED = "token.issued"  # noqa: S105
    TOKEN_REVOKED = "token.revoked"  # noqa: S105
    LOGIN_LINK_ISSUED = "login_link.issued"
    SESSION_OPENED = "session.opened"
    SESSION_CLOSED = "session.closed"
    CONFIGURATION_LOADED = "configuration.loaded"
    CONFIGURATION_REFUSED = "configuration.refused"
    DELEGATION_CREATED = "delegation.created"
    DELEGATION_REVOKED = "delegation.revoked"
    PROPOSAL_REMINDED = "proposal.reminded"


class AuditEvent(Contract):
    """One event. `payload` is the whole canonical noun it speaks of, so that state can be rebuilt from it."""

    schema_version: Literal[1] = 1
    id: str
    type: AuditType
    tenant: str
    subject: str
    """Id of what it is about: a proposal, request, halt, breaker or token."""
    actor: Principal
    payload: dict[str, Any]
    at: datetime

    def leaf_bytes(self, payload: str | None = None) -> bytes:
        """Return the RFC 8785 bytes that are hashed into the tree.

        `payload` is its canonical form, where the caller has it already: the greater part of the work.
        """
        if payload is None:
            return canonical_json(self)
        plain = self.model_dump(mode="json", exclude={"payload"})
        before = canonical_bytes({name: plain[name] for name in plain if name < "payload"})
        after = canonical_bytes({name: plain[name] for name in plain if name > "payload"})
        return b'%b,"payload":%b,%b' % (before[:-1], payload.encode(), after[1:])
