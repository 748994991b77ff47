"""The path itself: requests, proposals, what gates and people said of them."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, Table, Text, func, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from adapters.store.schema.base import Moment, created_at, metadata

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
    Column(
        "joined", ARRAY(Text), nullable=False, server_default=text("'{}'")
    ),  # open proposals that ask for the same
    Column("resolved_at", Moment),  # when the alert behind it resolved
    Column("closed_at", Moment),
    created_at(),
    Index(None, "tenant", "created_at", "id"),
    Index("ix_requests_open", "created_at", postgresql_where=text("status in ('received', 'planning')")),
    Index("ix_requests_joined", "joined", postgresql_using="gin", postgresql_where=text("joined <> '{}'")),
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
    Column("held_until", Moment),  # when that frees by itself, or was free, where it is known
    Column("agent", Text),  # issuer/subject of the first agent among the authors
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
    created_at(),
    Index("ix_proposals_list", "tenant", "created_at", "id"),
    Index("ix_proposals_by_state", "tenant", "state", "created_at", "id"),
    Index(
        "ix_proposals_held", "held_on", "priority", "created_at", postgresql_where=text("held_on is not null")
    ),
    Index("ix_proposals_by_target", "target_key", "created_at"),
    Index("ix_proposals_by_environment", "tenant", "environment", "created_at"),
    Index("ix_proposals_by_agent", "agent", "created_at", postgresql_where=text("agent is not null")),
    Index(
        "ix_proposals_open_by_target",
        "target_key",
        postgresql_where=text(
            "state in ('evaluating', 'awaiting_approval', 'ready', 'executing', 'verifying', 'rolling_back',"
            " 'dirty')"
        ),
    ),
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
    Column("facts", JSONB),  # guardrails.recording.Record: what it was judged by; may be pruned
    Column("shadow", JSONB),  # contracts.shadow.ShadowVerdict; null where no candidate was asked
    created_at(),
    Index(
        "ix_evaluations_first",
        "created_at",
        "proposal_id",
        "revision",
        postgresql_where=text("pass_number = 1"),
    ),
    Index("ix_evaluations_shadow", "created_at", postgresql_where=text("shadow is not null")),
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
    created_at(),
    Index(
        "uq_decisions_one_recorded",
        "proposal_id",
        "revision",
        "reviewer",
        unique=True,
        postgresql_where=text("status = 'recorded'"),
    ),
    Index(
        "uq_decisions_one_vote",
        "proposal_id",
        "revision",
        "reviewer",
        unique=True,
        postgresql_where=text("status = 'applied'"),
    ),
    Index("ix_decisions_by_time", "created_at", "id"),
    Index(None, "proposal_id", "revision"),
)

revisions = Table(
    "revisions",
    metadata,
    Column("proposal_id", Text, ForeignKey("proposals.id"), primary_key=True),
    Column("revision", Integer, primary_key=True),  # the new one: from 2 on
    Column("replaced", JSONB, nullable=False),  # contracts.proposal.Draft of the revision before
    Column("draft", JSONB, nullable=False),  # contracts.proposal.Draft of this one
    Column("editor", JSONB, nullable=False),  # contracts.principal.Principal
    Column("reason_name", Text),  # contracts.decision.ReasonName
    created_at(),
    Index("ix_revisions_by_time", "created_at", "proposal_id"),
)

comments = Table(
    "comments",
    metadata,
    Column("id", Text, primary_key=True),
    Column("proposal_id", Text, ForeignKey("proposals.id"), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("author", JSONB, nullable=False),  # contracts.principal.Principal
    Column("text", Text, nullable=False),
    created_at(),
    Index(None, "proposal_id", "created_at"),
)
