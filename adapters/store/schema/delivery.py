"""What is still to be told to others."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Identity, Index, Integer, Table, Text, func, text
from sqlalchemy.dialects.postgresql import JSONB

from adapters.store.schema.base import Moment, created_at, metadata

outbox = Table(
    "outbox",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("kind", Text, nullable=False),  # start_request, start_proposal, decide, wake, notify
    Column("subject", Text, nullable=False),  # id of the request, proposal or decision
    Column("payload", JSONB, nullable=False, server_default=text("'{}'")),
    Column("trace_context", JSONB, nullable=False, server_default=text("'{}'")),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("due_at", Moment, nullable=False, server_default=func.now()),
    Column("done_at", Moment),
    Column("last_error", Text),
    created_at(),
    Index("ix_outbox_due", "due_at", "id", postgresql_where=text("done_at is null")),
)
