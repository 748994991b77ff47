"""What stops effects: rates, circuit breakers, halts."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, Table, Text, func, text
from sqlalchemy.dialects.postgresql import JSONB

from adapters.store.schema.base import Moment, created_at, metadata

rate_uses = Table(
    "rate_uses",
    metadata,
    Column("proposal_id", Text, ForeignKey("proposals.id"), primary_key=True),
    Column("target_key", Text, nullable=False),
    Column("agent", Text),  # issuer/subject of an agent author; null when a person named the action
    Column("used_at", Moment, nullable=False, server_default=func.now()),
    Index(None, "target_key", "used_at"),
    Index(None, "agent", "used_at"),
)

breakers = Table(
    "breakers",
    metadata,
    Column("id", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("consecutive_failures", Integer, nullable=False, server_default=text("0")),
    Column("opened_at", Moment),
    Column("open_until", Moment),
    Column("probe_owner", Text),
    Column("probe_expires_at", Moment),
    Column("last_reason_code", Text),
)

halts = Table(
    "halts",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("scope", JSONB, nullable=False),
    Column("reason", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("created_by", JSONB, nullable=False),
    Column("effective_at", Moment),
    Column("ended_at", Moment),
    created_at(),
    Index("ix_halts_open", "status", postgresql_where=text("status <> 'ended'")),
)
