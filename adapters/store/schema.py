"""The tables. Alembic's migrations create them; `migrations/` is checked against this file by a test.

Times are `timestamptz`, money is `numeric`, nouns are kept whole as `jsonb` beside the columns that queries need.
Contended rows are locked in one fixed order: proposal, lease, breakers, budget windows (by key), then inserts.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Moment = DateTime(timezone=True)
Money = Numeric(24, 10)


def _now() -> Column[object]:
    return Column("created_at", Moment, nullable=False, server_default=func.now())


tokens = Table(
    "tokens",
    metadata,
    Column("id", Text, primary_key=True),
    Column("token_hash", LargeBinary, nullable=False, unique=True),  # SHA-256 of a 256-bit random token
    Column("principal", JSONB, nullable=False),  # contracts.principal.Principal
    Column("expires_at", Moment),
    Column("revoked_at", Moment),
    _now(),
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", Text, primary_key=True),
    Column("token_hash", LargeBinary, nullable=False, unique=True),  # SHA-256 of a 256-bit random cookie
    Column("principal", JSONB, nullable=False),  # contracts.principal.Principal
    Column("display_name", Text, nullable=False),  # how the identity provider names the person
    Column("method", Text, nullable=False),  # link, oidc
    Column("last_seen_at", Moment, nullable=False, server_default=func.now()),
    Column("expires_at", Moment, nullable=False),
    Column("revoked_at", Moment),
    _now(),
)

login_links = Table(
    "login_links",
    metadata,
    Column("id", Text, primary_key=True),
    Column("token_hash", LargeBinary, nullable=False, unique=True),
    Column("principal", JSONB, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("used_at", Moment),  # a link opens one session
    _now(),
)

login_attempts = Table(
    "login_attempts",
    metadata,
    Column("state_hash", LargeBinary, primary_key=True),  # SHA-256 of OAuth's state
    Column("browser_hash", LargeBinary, nullable=False),  # binds the answer to the browser that asked
    Column("code_verifier", Text, nullable=False),  # PKCE, RFC 7636
    Column("nonce", Text, nullable=False),
    Column("return_to", Text, nullable=False),
    Column("expires_at", Moment, nullable=False),
    _now(),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("subject", Text, primary_key=True),  # issuer/subject of the caller
    Column("key", Text, primary_key=True),
    Column("body_digest", Text, nullable=False),
    Column("status", Integer, nullable=False),
    Column("response", JSONB, nullable=False),
    _now(),
)

requests = Table(
    "requests",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("dedupe_key", Text, unique=True),  # alerts: fingerprint + startsAt; else null
    Column("conversation_id", Text),  # chat: the turns of one conversation share it
    Column("document", JSONB, nullable=False),  # contracts.request.Request
    Column("status", Text, nullable=False),  # RequestStatus
    Column("answer", Text),
    Column("reason_code", Text),
    Column("steps", JSONB, nullable=False, server_default=text("'[]'")),  # AgentStep list
    Column("closed_at", Moment),
    _now(),
    Index(None, "tenant", "created_at", "id"),
    Index(
        "ix_requests_conversation",
        "conversation_id",
        "created_at",
        postgresql_where=text("conversation_id is not null"),
    ),
    Index(
        "ix_requests_own",
        "tenant",
        text("(document #>> '{requester,issuer}')"),
        text("(document #>> '{requester,subject}')"),
        postgresql_where=text("conversation_id is not null"),
    ),
)

proposals = Table(
    "proposals",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("request_id", Text, ForeignKey("requests.id")),
    Column("revision", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("state_since", Moment, nullable=False, server_default=func.now()),
    Column("reason_code", Text),  # why it is in this state; codes of verdicts, receipts, people
    Column("message", Text),
    Column("held_on", Text),  # key of what holds a ready proposal
    Column("draft", JSONB, nullable=False),  # contracts.proposal.Draft of the present revision
    Column("document", JSONB),  # contracts.proposal.Proposal once observed
    Column("digest", Text),
    Column("target_key", Text, nullable=False),
    Column("action_kind", Text, nullable=False),
    Column("environment", Text, nullable=False),
    Column("team", Text, nullable=False),
    Column("requester", Text, nullable=False),  # issuer/subject
    Column("priority", Integer, nullable=False),
    Column("risk", Text),  # RiskTier, once observed
    Column("decide_by", Moment, nullable=False),
    Column("execute_by", Moment, nullable=False),
    Column("dry_run", Boolean, nullable=False, server_default=text("false")),
    Column("closed_at", Moment),
    _now(),
    Index("ix_proposals_list", "tenant", "created_at", "id"),
    Index("ix_proposals_by_state", "tenant", "state", "created_at", "id"),
    Index(
        "ix_proposals_held", "held_on", "priority", "created_at", postgresql_where=text("held_on is not null")
    ),
    Index("ix_proposals_by_target", "target_key", "created_at"),
    Index("ix_proposals_of_request", "request_id", postgresql_where=text("request_id is not null")),
    Index(
        "ix_proposals_waiting",
        "tenant",
        "decide_by",
        "id",
        postgresql_where=text("state = 'awaiting_approval'"),
    ),
    Index(
        "ix_proposals_decided",
        "tenant",
        "state_since",
        "id",
        postgresql_where=text("state not in ('evaluating', 'awaiting_approval')"),
    ),
)

evaluations = Table(
    "evaluations",
    metadata,
    Column("proposal_id", Text, ForeignKey("proposals.id"), primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("pass_number", Integer, primary_key=True),
    Column("outcome", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("document", JSONB, nullable=False),  # contracts.evaluation.Evaluation
    Column("result", JSONB, nullable=False),  # what the activity returned; a rerun returns it again
    _now(),
)

decisions = Table(
    "decisions",
    metadata,
    Column("id", Text, primary_key=True),
    Column("proposal_id", Text, ForeignKey("proposals.id"), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("reviewer", Text, nullable=False),  # issuer/subject
    Column("document", JSONB, nullable=False),  # contracts.decision.SignedDecision
    Column("status", Text, nullable=False),  # DecisionStatus
    Column("reason_code", Text),  # why it was refused
    Column("settled_at", Moment),
    _now(),
    Index(
        "uq_decisions_one_vote",
        "proposal_id",
        "revision",
        "reviewer",
        unique=True,
        postgresql_where=text("status in ('recorded', 'applied')"),
    ),
)

comments = Table(
    "comments",
    metadata,
    Column("id", Text, primary_key=True),
    Column("proposal_id", Text, ForeignKey("proposals.id"), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("author", JSONB, nullable=False),  # contracts.principal.Principal
    Column("text", Text, nullable=False),
    _now(),
    Index(None, "proposal_id", "created_at"),
)

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
    _now(),
    Index("ix_intents_open", "call_deadline", postgresql_where=text("receipt is null")),
    Index(None, "proposal_id"),
)

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
    _now(),
    UniqueConstraint("proposal_id", "scope", "window", "kind", "posting"),
    Index("ix_ledger_entries_window", "tenant", "scope", "window", "created_at"),
    CheckConstraint("kind in ('reserve', 'commit', 'release')", name="kind_is_known"),
    CheckConstraint("amount >= 0", name="amount_is_not_negative"),
)

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
    _now(),
    Index("ix_halts_open", "status", postgresql_where=text("status <> 'ended'")),
)

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
    _now(),
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
    _now(),
)

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
    _now(),
    Index("ix_outbox_due", "due_at", "id", postgresql_where=text("done_at is null")),
)
