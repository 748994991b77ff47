"""The tables. Alembic's migrations create them; `migrations/` is checked against this file by a test.

Times are `timestamptz`, money is `numeric`, nouns are kept whole as `jsonb` beside the columns that queries need.
Contended rows are locked in one fixed order: proposal, lease, breakers, budget windows (by key), then inserts.
"""

from __future__ import annotations

from adapters.store.schema.audit import audit_checkpoints, audit_events, audit_nodes
from adapters.store.schema.base import Moment, Money, metadata
from adapters.store.schema.delivery import outbox
from adapters.store.schema.effects import intents, leases, observed_pools
from adapters.store.schema.identity import idempotency_keys, login_attempts, login_links, sessions, tokens
from adapters.store.schema.money import budget_windows, ledger_entries
from adapters.store.schema.path import comments, decisions, evaluations, proposals, requests
from adapters.store.schema.safety import breakers, halts, rate_uses

__all__ = [
    "Moment",
    "Money",
    "audit_checkpoints",
    "audit_events",
    "audit_nodes",
    "breakers",
    "budget_windows",
    "comments",
    "decisions",
    "evaluations",
    "halts",
    "idempotency_keys",
    "intents",
    "leases",
    "ledger_entries",
    "login_attempts",
    "login_links",
    "metadata",
    "observed_pools",
    "outbox",
    "proposals",
    "rate_uses",
    "requests",
    "sessions",
    "tokens",
]
