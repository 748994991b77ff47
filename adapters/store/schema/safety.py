"""What stops effects: rates, circuit breakers, halts."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from adapters.store.schema.base import Moment, created_at, metadata

rate_uses = Table(
    "rate_uses",
    metadata,
    Column("proposal_id", Text, ForeignKey("proposals.id"), primary_key=True),
    Column("target_key", Text, nullable=False),
    Column("agent", Text),  # issuer/subject of an agent author; null when a person named the action
    Column("used_at", Moment, nullable=False, server_default=func.now()),
    Column("tenant", Text, nullable=False),
    Column("environment", Text, nullable=False),
    Column("direction", Integer, nullable=False, server_default=text("0")),  # 1 grows, -1 shrinks, 0 neither
    Index(None, "target_key", "used_at"),
    Index(None, "agent", "used_at"),
    Index("ix_rate_uses_by_environment", "tenant", "environment", "used_at"),
)

rate_buckets = Table(
    "rate_buckets",
    metadata,
    Column(
        "key", Text, primary_key=True
    ),  # <scope>:<what it counts>, for example agent:sluice/capacity-agent
    Column(
        "deficit", BigInteger, nullable=False
    ),  # what lacks to full at `as_of`; guardrails.rate.bucket.TOKEN each
    Column("as_of", Moment, nullable=False),
    CheckConstraint("deficit >= 0", name="deficit_is_not_negative"),
)

breakers = Table(
    "breakers",
    metadata,
    Column("id", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("consecutive_failures", Integer, nullable=False, server_default=text("0")),
    Column("openings", Integer, nullable=False, server_default=text("0")),
    Column("opened_at", Moment),
    Column("open_until", Moment),
    Column("rule", Text),
    Column("read_first_until", Moment),
    Column("ready_at", Moment),
    Column("probe_owner", Text),
    Column("probe_expires_at", Moment),
    Column("last_reason_code", Text),
)

breaker_outcomes = Table(
    "breaker_outcomes",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("breaker_id", Text, nullable=False),
    Column("measure", Text, nullable=False),  # effect or review
    Column("subject", Text),  # proposal or request
    Column("ok", Boolean, nullable=False),
    Column("at", Moment, nullable=False),
    Index(None, "breaker_id", "at"),
    Index(None, "at"),
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
