"""The types of audit events, grouped as people look for them."""

from __future__ import annotations

from collections.abc import Mapping

from contracts.audit import AuditType as T

TOPICS: Mapping[str, tuple[T, ...]] = {
    "requests": (T.REQUEST_RECEIVED, T.REQUEST_PLANNING, T.REQUEST_CLOSED, T.ALERT_RESOLVED),
    "proposals": (
        T.PROPOSAL_CREATED,
        T.PROPOSAL_EVALUATED,
        T.PROPOSAL_MOVED,
        T.PROPOSAL_REVISED,
        T.PROPOSAL_COMMENTED,
        T.PROPOSAL_REMINDED,
    ),
    "decisions": (
        T.DECISION_RECORDED,
        T.DECISION_APPLIED,
        T.DECISION_REFUSED,
        T.DECISION_VOIDED,
        T.DECISION_SUPERSEDED,
    ),
    "effects": (
        T.RATE_CONSUMED,
        T.LEASE_TAKEN,
        T.INTENT_WRITTEN,
        T.EFFECT_ISSUED,
        T.EFFECT_LATE,
        T.RECEIPT_WRITTEN,
        T.VERIFICATION_RECORDED,
        T.LEASE_RELEASED,
    ),
    "money": (T.LEDGER_POSTED, T.BUDGET_ALERTED, T.COST_RECORDED),
    "safety": (
        T.HALT_CREATED,
        T.HALT_EFFECTIVE,
        T.HALT_ENDED,
        T.BREAKER_MOVED,
        T.GATE_OVERRIDDEN,
        T.BREAK_GLASS_OPENED,
        T.BREAK_GLASS_CONFIRMED,
        T.BREAK_GLASS_USED,
        T.BREAK_GLASS_ENDED,
        T.BREAK_GLASS_LAPSED,
        T.BREAK_GLASS_REVIEWED,
    ),
    "configuration": (T.CONFIGURATION_LOADED, T.CONFIGURATION_REFUSED),
    "access": (
        T.TOKEN_ISSUED,
        T.TOKEN_REVOKED,
        T.LOGIN_LINK_ISSUED,
        T.SESSION_OPENED,
        T.SESSION_CLOSED,
        T.DELEGATION_CREATED,
        T.DELEGATION_REVOKED,
    ),
}
"""Topic → its types, in the order in which they happen. Every type has one topic."""

TOPIC_OF: Mapping[T, str] = {one: topic for topic, types in TOPICS.items() for one in types}

ICONS: Mapping[str, str] = {
    "requests": "chat",
    "proposals": "inbox",
    "decisions": "person",
    "effects": "play",
    "money": "activity",
    "safety": "halt",
    "configuration": "shield",
    "access": "lock",
}
"""Topic → the drawing that stands for it."""
