"""The first tables, as `adapters/store/schema/` declares them, and triggers that keep the audit log append-only."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_intake()
    _create_proposals()
    _create_judgement()
    _create_effects()
    _create_ledger()
    _create_safety()
    _create_audit()
    _create_hand_off()
    _keep_audit_append_only()


def _create_intake() -> None:
    op.create_table(
        "tokens",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("principal", postgresql.JSONB(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True)),
        sa.Column("revoked_at", sa.DateTime(timezone=True)),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tokens")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_tokens_token_hash")),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("body_digest", sa.Text(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("response", postgresql.JSONB(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("subject", "key", name=op.f("pk_idempotency_keys")),
    )
    op.create_table(
        "requests",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("dedupe_key", sa.Text()),
        sa.Column("document", postgresql.JSONB(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("answer", sa.Text()),
        sa.Column("reason_code", sa.Text()),
        sa.Column("steps", postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True)),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_requests")),
        sa.UniqueConstraint("dedupe_key", name=op.f("uq_requests_dedupe_key")),
    )
    op.create_index(op.f("ix_requests_tenant_created_at_id"), "requests", ["tenant", "created_at", "id"])


def _create_proposals() -> None:
    op.create_table(
        "proposals",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Text()),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("state_since", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("reason_code", sa.Text()),
        sa.Column("message", sa.Text()),
        sa.Column("held_on", sa.Text()),
        sa.Column("draft", postgresql.JSONB(), nullable=False),
        sa.Column("document", postgresql.JSONB()),
        sa.Column("digest", sa.Text()),
        sa.Column("target_key", sa.Text(), nullable=False),
        sa.Column("action_kind", sa.Text(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("team", sa.Text(), nullable=False),
        sa.Column("requester", sa.Text(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("decide_by", sa.DateTime(timezone=True), nullable=False),
        sa.Column("execute_by", sa.DateTime(timezone=True), nullable=False),
        sa.Column("dry_run", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True)),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["request_id"], ["requests.id"], name=op.f("fk_proposals_request_id_requests")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_proposals")),
    )
    op.create_index("ix_proposals_by_state", "proposals", ["tenant", "state", "created_at", "id"])
    op.create_index("ix_proposals_by_target", "proposals", ["target_key", "created_at"])
    op.create_index(
        "ix_proposals_held",
        "proposals",
        ["held_on", "priority", "created_at"],
        postgresql_where=sa.text("held_on is not null"),
    )
    op.create_index("ix_proposals_list", "proposals", ["tenant", "created_at", "id"])


def _create_judgement() -> None:
    op.create_table(
        "evaluations",
        sa.Column("proposal_id", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("pass_number", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("document", postgresql.JSONB(), nullable=False),
        sa.Column("result", postgresql.JSONB(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["proposal_id"], ["proposals.id"], name=op.f("fk_evaluations_proposal_id_proposals")
        ),
        sa.PrimaryKeyConstraint("proposal_id", "revision", "pass_number", name=op.f("pk_evaluations")),
    )
    op.create_table(
        "decisions",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("proposal_id", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("reviewer", sa.Text(), nullable=False),
        sa.Column("document", postgresql.JSONB(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason_code", sa.Text()),
        sa.Column("settled_at", sa.DateTime(timezone=True)),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["proposal_id"], ["proposals.id"], name=op.f("fk_decisions_proposal_id_proposals")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_decisions")),
    )
    op.create_index(
        "uq_decisions_one_vote",
        "decisions",
        ["proposal_id", "revision", "reviewer"],
        unique=True,
        postgresql_where=sa.text("status in ('recorded', 'applied')"),
    )


def _create_effects() -> None:
    op.create_table(
        "leases",
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text()),
        sa.Column("fence", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("call_deadline", sa.DateTime(timezone=True)),
        sa.Column("taken_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("domain", name=op.f("pk_leases")),
    )
    op.create_table(
        "intents",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("proposal_id", sa.Text(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("document", postgresql.JSONB(), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("call_deadline", sa.DateTime(timezone=True), nullable=False),
        sa.Column("operation", sa.Text()),
        sa.Column("issued_at", sa.DateTime(timezone=True)),
        sa.Column("receipt", postgresql.JSONB()),
        sa.Column("verification", postgresql.JSONB()),
        sa.Column("settled_at", sa.DateTime(timezone=True)),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["proposal_id"], ["proposals.id"], name=op.f("fk_intents_proposal_id_proposals")
        ),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_intents")),
    )
    op.create_index(
        "ix_intents_open", "intents", ["call_deadline"], postgresql_where=sa.text("receipt is null")
    )
    op.create_index(op.f("ix_intents_proposal_id"), "intents", ["proposal_id"])


def _create_ledger() -> None:
    op.create_table(
        "budget_windows",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("window", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column(
            "reserved", sa.Numeric(precision=24, scale=10), server_default=sa.text("0"), nullable=False
        ),
        sa.Column(
            "committed", sa.Numeric(precision=24, scale=10), server_default=sa.text("0"), nullable=False
        ),
        sa.CheckConstraint("reserved >= 0", name=op.f("ck_budget_windows_reserved_is_not_negative")),
        sa.PrimaryKeyConstraint("tenant", "scope", "window", name=op.f("pk_budget_windows")),
    )
    op.create_table(
        "ledger_entries",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("proposal_id", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("window", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("posting", sa.Integer(), nullable=False),
        sa.Column("amount", sa.Numeric(precision=24, scale=10), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "kind in ('reserve', 'commit', 'release')", name=op.f("ck_ledger_entries_kind_is_known")
        ),
        sa.CheckConstraint("amount >= 0", name=op.f("ck_ledger_entries_amount_is_not_negative")),
        sa.ForeignKeyConstraint(
            ["proposal_id"], ["proposals.id"], name=op.f("fk_ledger_entries_proposal_id_proposals")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_entries")),
        sa.UniqueConstraint(
            "proposal_id",
            "scope",
            "window",
            "kind",
            "posting",
            name=op.f("uq_ledger_entries_proposal_id_scope_window_kind_posting"),
        ),
    )


def _create_safety() -> None:
    op.create_table(
        "rate_uses",
        sa.Column("proposal_id", sa.Text(), nullable=False),
        sa.Column("target_key", sa.Text(), nullable=False),
        sa.Column("agent", sa.Text()),
        sa.Column("used_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["proposal_id"], ["proposals.id"], name=op.f("fk_rate_uses_proposal_id_proposals")
        ),
        sa.PrimaryKeyConstraint("proposal_id", name=op.f("pk_rate_uses")),
    )
    op.create_index(op.f("ix_rate_uses_agent_used_at"), "rate_uses", ["agent", "used_at"])
    op.create_index(op.f("ix_rate_uses_target_key_used_at"), "rate_uses", ["target_key", "used_at"])
    op.create_table(
        "breakers",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("consecutive_failures", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True)),
        sa.Column("open_until", sa.DateTime(timezone=True)),
        sa.Column("probe_owner", sa.Text()),
        sa.Column("probe_expires_at", sa.DateTime(timezone=True)),
        sa.Column("last_reason_code", sa.Text()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_breakers")),
    )
    op.create_table(
        "halts",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("scope", postgresql.JSONB(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("created_by", postgresql.JSONB(), nullable=False),
        sa.Column("effective_at", sa.DateTime(timezone=True)),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_halts")),
    )
    op.create_index("ix_halts_open", "halts", ["status"], postgresql_where=sa.text("status <> 'ended'"))


def _create_audit() -> None:
    op.create_table(
        "audit_events",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("ordinal", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("number", sa.BigInteger()),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("leaf", sa.LargeBinary(), nullable=False),
        sa.Column("leaf_hash", sa.LargeBinary()),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_events")),
        sa.UniqueConstraint("number", name=op.f("uq_audit_events_number")),
    )
    op.create_index(op.f("ix_audit_events_subject_ordinal"), "audit_events", ["subject", "ordinal"])
    op.create_index(
        "ix_audit_events_unnumbered", "audit_events", ["ordinal"], postgresql_where=sa.text("number is null")
    )
    op.create_table(
        "audit_nodes",
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("level", "position", name=op.f("pk_audit_nodes")),
    )
    op.create_table(
        "audit_checkpoints",
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("root_hash", sa.LargeBinary(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("size", name=op.f("pk_audit_checkpoints")),
    )


def _create_hand_off() -> None:
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("payload", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("trace_context", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True)),
        sa.Column("last_error", sa.Text()),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
    )
    op.create_index("ix_outbox_due", "outbox", ["due_at", "id"], postgresql_where=sa.text("done_at is null"))


_REFUSE = """
create function sluice_audit_is_append_only() returns trigger language plpgsql as $$
begin
    raise exception 'the audit log is append-only' using errcode = 'integrity_constraint_violation';
end $$
"""

_EVENT_WAS_NUMBERED = """
create trigger numbered_once before update on audit_events for each row
when (
    old.number is not null or new.number is null or new.leaf_hash is null
    or (new.id, new.ordinal, new.type, new.tenant, new.subject, new.leaf, new.created_at)
       is distinct from (old.id, old.ordinal, old.type, old.tenant, old.subject, old.leaf, old.created_at)
)
execute function sluice_audit_is_append_only()
"""


def _keep_audit_append_only() -> None:
    """Against mistakes, not against whoever owns the database: that is what signed checkpoints are for."""
    op.execute(_REFUSE)
    op.execute(_EVENT_WAS_NUMBERED)
    for table in ("audit_events", "audit_nodes", "audit_checkpoints"):
        for verb in ("delete", "truncate"):
            op.execute(
                f"create trigger no_{verb} before {verb} on {table} "
                "for each statement execute function sluice_audit_is_append_only()"
            )
    for table in ("audit_nodes", "audit_checkpoints"):
        op.execute(
            f"create trigger no_update before update on {table} "
            "for each row execute function sluice_audit_is_append_only()"
        )


def downgrade() -> None:
    msg = "the first revision is not taken back: drop the database instead"
    raise RuntimeError(msg)
