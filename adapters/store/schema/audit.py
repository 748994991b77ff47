"""The audit log: events, tree, checkpoints."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Identity, Index, Integer, LargeBinary, Table, Text, text

from adapters.store.schema.base import created_at, metadata

audit_events = Table(
    "audit_events",
    metadata,
    Column("id", Text, primary_key=True),
    Column("ordinal", BigInteger, Identity(always=True), nullable=False),  # order of insertion, has gaps
    Column("number", BigInteger, unique=True),  # dense position in the tree; null until sequenced
    Column("type", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("actor", Text, nullable=False),  # issuer/subject
    Column("leaf", LargeBinary, nullable=False),  # AuditEvent.leaf_bytes(), exactly
    Column("leaf_hash", LargeBinary),
    created_at(),
    Index("ix_audit_events_unnumbered", "ordinal", postgresql_where=text("number is null")),
    Index(None, "subject", "ordinal"),
    Index("ix_audit_events_by_type", "tenant", "type", "number"),
    Index("ix_audit_events_by_actor", "tenant", "actor", "number"),
)

audit_nodes = Table(
    "audit_nodes",
    metadata,
    Column("level", Integer, primary_key=True),
    Column("position", BigInteger, primary_key=True),  # index of the complete subtree at this level
    Column("hash", LargeBinary, nullable=False),
)

audit_checkpoints = Table(
    "audit_checkpoints",
    metadata,
    Column("size", BigInteger, primary_key=True),
    Column("root_hash", LargeBinary, nullable=False),
    Column("note", Text, nullable=False),  # signed checkpoint (C2SP tlog-checkpoint)
    created_at(),
)
