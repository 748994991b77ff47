"""What lets a change through a closed gate: overrides of one proposal, and break-glass grants."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from adapters.store.schema.base import Moment, metadata

gate_overrides = Table(
    "gate_overrides",
    metadata,
    Column("id", Text, primary_key=True),
    Column("proposal_id", Text, ForeignKey("proposals.id"), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("document", JSONB, nullable=False),  # contracts.override.GateOverride
    Index(None, "proposal_id", "revision"),
)

break_glass = Table(
    "break_glass",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("status", Text, nullable=False),  # BreakGlassStatus
    Column("opened_at", Moment, nullable=False),
    Column("confirm_by", Moment, nullable=False),
    Column("expires_at", Moment),  # set when a second person confirms
    Column("document", JSONB, nullable=False),  # contracts.break_glass.BreakGlass
    Index("ix_break_glass_list", "tenant", "opened_at", "id"),
    Index("ix_break_glass_open", "status", postgresql_where=text("status in ('awaiting_second', 'active')")),
)

break_glass_uses = Table(
    "break_glass_uses",
    metadata,
    Column("grant_id", Text, ForeignKey("break_glass.id"), primary_key=True),
    Column("proposal_id", Text, ForeignKey("proposals.id"), primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("pass_number", Integer, primary_key=True),
    Column("at", Moment, nullable=False),
    Column("document", JSONB, nullable=False),  # contracts.break_glass.BreakGlassUse
    Index(None, "proposal_id"),
)
