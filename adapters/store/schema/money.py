"""Money: budget windows, the ledger whose entries they sum up, and what changes cost in the end."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

from adapters.store.schema.base import Money, created_at, metadata

MOVES = (
    ("reserve", "available", "reserved"),
    ("commit", "reserved", "committed"),
    ("release", "reserved", "available"),
    ("adjust", "available", "committed"),
    ("adjust", "committed", "available"),
    ("opening", "available", "committed"),
)
"""Every kind of entry with the account it takes from and the account it gives to."""

budget_windows = Table(
    "budget_windows",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("scope", Text, primary_key=True),  # Budget.key
    Column("window", Text, primary_key=True),  # for example month:2026-11
    Column("currency", Text, nullable=False),
    Column("reserved", Money, nullable=False, server_default=text("0")),
    Column("committed", Money, nullable=False, server_default=text("0")),
    Column("hourly", Money, nullable=False, server_default=text("0")),  # committed run-rate, money per hour
    Column("alerted", Integer, nullable=False, server_default=text("0")),  # highest percent that was told
    CheckConstraint("reserved >= 0", name="reserved_is_not_negative"),
    CheckConstraint("committed >= 0", name="committed_is_not_negative"),
    CheckConstraint("hourly >= 0", name="hourly_is_not_negative"),
)

ledger_entries = Table(
    "ledger_entries",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("proposal_id", Text, ForeignKey("proposals.id")),  # a change …
    Column("request_id", Text, ForeignKey("requests.id")),  # … or calls of a model; an opening has neither
    Column("scope", Text, nullable=False),
    Column("window", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("debit", Text, nullable=False),  # account that the money leaves
    Column("credit", Text, nullable=False),  # account that receives it
    Column("posting", Integer, nullable=False),  # 1, 2, … within this subject, scope, window and kind
    Column("amount", Money, nullable=False),
    Column("hourly", Money, nullable=False, server_default=text("0")),  # change of the run-rate
    created_at(),
    UniqueConstraint(
        "proposal_id",
        "request_id",
        "tenant",
        "scope",
        "window",
        "kind",
        "posting",
        name="uq_ledger_entries_posting",
        postgresql_nulls_not_distinct=True,
    ),
    Index("ix_ledger_entries_window", "tenant", "scope", "window", "created_at"),
    CheckConstraint(
        "(kind, debit, credit) in (" + ", ".join(f"('{k}', '{d}', '{c}')" for k, d, c in MOVES) + ")",
        name="kind_moves_between_its_accounts",
    ),
    CheckConstraint("amount >= 0", name="amount_is_not_negative"),
    CheckConstraint(
        "case kind when 'opening' then coalesce(proposal_id, request_id) is null"
        " else (proposal_id is null) <> (request_id is null) end",
        name="has_one_subject",
    ),
)

action_costs = Table(
    "action_costs",
    metadata,
    Column("proposal_id", Text, ForeignKey("proposals.id"), primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("scopes", ARRAY(Text), nullable=False),  # Budget.key of every budget that covers it
    Column("currency", Text, nullable=False),
    Column("price_per_node_hour", Money, nullable=False),
    Column("price_source", Text, nullable=False),
    Column("price_as_of", Date, nullable=False),
    Column("estimated_nodes", Integer, nullable=False),
    Column("verified_nodes", Integer, nullable=False),
    Column("estimated_hourly", Money, nullable=False),
    Column("verified_hourly", Money, nullable=False),
    Column("estimated_monthly", Money, nullable=False),
    Column("verified_monthly", Money, nullable=False),
    created_at(),
    Index(None, "tenant", "created_at"),
)
