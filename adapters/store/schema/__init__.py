"""The tables. Alembic's migrations create them; `migrations/` is checked against this file by a test.

Times are `timestamptz`, money is `numeric`, nouns are kept whole as `jsonb` beside the columns that queries need.
Contended rows are locked in one fixed order: proposal, lease, rate buckets (by key), breakers,
budget windows (by key), then inserts.
"""

from __future__ import annotations

from adapters.store.schema.attendance import delegations, reminders
from adapters.store.schema.audit import audit_checkpoints, audit_events, audit_nodes
from adapters.store.schema.base import Moment, Money, metadata
from adapters.store.schema.delivery import outbox
from adapters.store.schema.effects import intents, leases, observed_pools
from adapters.store.schema.exceptions import break_glass, break_glass_uses, gate_overrides
from adapters.store.schema.identity import idempotency_keys, login_attempts, login_links, sessions, tokens
from adapters.store.schema.money import action_costs, budget_windows, ledger_entries
from adapters.store.schema.path import comments, decisions, evaluations, proposals, requests, revisions
from adapters.store.schema.safety import breaker_outcomes, breakers, halts, rate_buckets, rate_uses

__all__ = [
    "Moment",
    "Money",
    "action_costs",
    "audit_checkpoints",
    "audit_events",
    "audit_nodes",
    "break_glass",
    "break_glass_uses",
    "breaker_outcomes",
    "breakers",
    "budget_windows",
    "comments",
    "decisions",
    "delegations",
    "evaluations",
    "gate_overrides",
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
    "rate_buckets",
    "rate_uses",
    "reminders",
    "requests",
    "revisions",
    "sessions",
    "tokens",
]
