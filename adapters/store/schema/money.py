"""Money: budget windows and the ledger."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from adapters.store.schema.base import Money, created_at, metadata

budget_windows = Table(
    "budget_windows",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("scope", Text, primary_key=True),  # BudgetScope.key
    Column("window", Text, primary_key=True),  # for example month:2026-11
    Column("currency", Text, nullable=False),
    Column("reserved", Money, nullable=False, server_default=text("0")),
    Column("committed", Money, nullable=False, server_default=text("0")),
    CheckConstraint("reserved >= 0", name="reserved_is_not_negative"),
)

ledger_entries = Table(
    "ledger_entries",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("proposal_id", Text, ForeignKey("proposals.id"), nullable=False),
    Column("scope", Text, nullable=False),
    Column("window", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("kind", Text, nullable=False),  # reserve, commit, release
    Column("posting", Integer, nullable=False),  # 1, 2, … within this proposal, scope, window and kind
    Column("amount", Money, nullable=False),
    created_at(),
    UniqueConstraint("proposal_id", "scope", "window", "kind", "posting"),
    Index("ix_ledger_entries_window", "tenant", "scope", "window", "created_at"),
    CheckConstraint("kind in ('reserve', 'commit', 'release')", name="kind_is_known"),
    CheckConstraint("amount >= 0", name="amount_is_not_negative"),
)
