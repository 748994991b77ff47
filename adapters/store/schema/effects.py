"""Effects: leases, intents, and the pools as they were last seen."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from adapters.store.schema.base import Moment, created_at, metadata

observed_pools = Table(
    "observed_pools",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("target_key", Text, primary_key=True),
    Column("target", JSONB, nullable=False),  # contracts.action.NodePoolTarget
    Column("environment", Text, nullable=False),
    Column("team", Text, nullable=False),
    Column("document", JSONB),  # contracts.observation.NodePoolObservation; null until the first answer
    Column("reason_code", Text),  # why the newest look failed; null when it did not
    Column("looked_at", Moment, nullable=False),  # the newest look, whatever came of it
)

leases = Table(
    "leases",
    metadata,
    Column("domain", Text, primary_key=True),  # provider's serialisation domain
    Column("owner", Text),  # proposal id; null = free
    Column("fence", BigInteger, nullable=False, server_default=text("0")),  # only ever rises
    Column("call_deadline", Moment),  # no call of any past attempt is in flight after this
    Column("taken_at", Moment),
)

intents = Table(
    "intents",
    metadata,
    Column("key", Text, primary_key=True),  # proposal/revision/step
    Column("proposal_id", Text, ForeignKey("proposals.id"), nullable=False),
    Column("step", Text, nullable=False),
    Column("document", JSONB, nullable=False),  # contracts.effect.Intent of the latest attempt
    Column("fence", BigInteger, nullable=False),
    Column("call_deadline", Moment, nullable=False),
    Column("operation", Text),  # provider's operation name, once known
    Column("issued_at", Moment),
    Column("receipt", JSONB),  # contracts.effect.Receipt
    Column("verification", JSONB),  # contracts.effect.Verification
    Column("settled_at", Moment),  # verified, or closed without an effect
    created_at(),
    Index("ix_intents_open", "call_deadline", postgresql_where=text("receipt is null")),
    Index(None, "proposal_id"),
    Index(None, "operation", postgresql_where=text("operation is not null")),
)
