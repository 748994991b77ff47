"""Who is there to decide: delegations, and the reminders of proposals that wait."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from adapters.store.schema.base import Moment, created_at, metadata

delegations = Table(
    "delegations",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("delegator", Text, nullable=False),  # issuer/subject
    Column("delegate", Text, nullable=False),  # issuer/subject
    Column("starts_at", Moment, nullable=False),
    Column("until", Moment, nullable=False),  # exclusive
    Column("document", JSONB, nullable=False),  # contracts.delegation.Delegation
    Column("revoked_at", Moment),
    Column("revoked_by", Text),  # issuer/subject
    created_at(),
    Index("ix_delegations_lent", "tenant", "delegate", "until", postgresql_where=text("revoked_at is null")),
    Index("ix_delegations_list", "tenant", "until", "id", postgresql_where=text("revoked_at is null")),
)

reminders = Table(
    "reminders",
    metadata,
    Column("proposal_id", Text, ForeignKey("proposals.id"), primary_key=True),
    Column("waiting_since", Moment, primary_key=True),  # one that waits anew is reminded anew
    Column("step", Text, primary_key=True),  # remind, escalate, page
    Column("revision", Integer, nullable=False),
    created_at(),
)
