"""What the web pages need: sessions, comments, conversations, risk tiers, the fleet, filters of the audit log."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_NUMBERED_ONCE = """
create trigger numbered_once before update on audit_events for each row
when (
    old.number is not null or new.number is null or new.leaf_hash is null
    or (new.id, new.ordinal, new.type, new.tenant, new.subject, new.actor, new.leaf, new.created_at)
       is distinct from
       (old.id, old.ordinal, old.type, old.tenant, old.subject, old.actor, old.leaf, old.created_at)
)
execute function sluice_audit_is_append_only()
"""

_ACTOR_OF_LEAF = """
update audit_events
set actor = (convert_from(leaf, 'UTF8')::jsonb #>> '{actor,issuer}') || '/' ||
            (convert_from(leaf, 'UTF8')::jsonb #>> '{actor,subject}')
"""


def upgrade() -> None:
    _create_login()
    _extend_intake()
    _extend_proposals()
    _create_operations()
    _name_actors()


def _moment(name: str, *, nullable: bool = True, default: bool = False) -> sa.Column[object]:
    server_default = sa.text("now()") if default else None
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable, server_default=server_default)


def _created_at() -> sa.Column[object]:
    return _moment("created_at", nullable=False, default=True)


def _create_login() -> None:
    op.create_table(
        "sessions",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("principal", postgresql.JSONB(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        _moment("last_seen_at", nullable=False, default=True),
        _moment("expires_at", nullable=False),
        _moment("revoked_at"),
        _created_at(),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_sessions_token_hash")),
    )
    op.create_table(
        "login_links",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("principal", postgresql.JSONB(), nullable=False),
        _moment("expires_at", nullable=False),
        _moment("used_at"),
        _created_at(),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_login_links")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_login_links_token_hash")),
    )
    op.create_table(
        "login_attempts",
        sa.Column("state_hash", sa.LargeBinary(), nullable=False),
        sa.Column("browser_hash", sa.LargeBinary(), nullable=False),
        sa.Column("code_verifier", sa.Text(), nullable=False),
        sa.Column("nonce", sa.Text(), nullable=False),
        sa.Column("return_to", sa.Text(), nullable=False),
        _moment("expires_at", nullable=False),
        _created_at(),
        sa.PrimaryKeyConstraint("state_hash", name=op.f("pk_login_attempts")),
    )


def _extend_intake() -> None:
    op.add_column("requests", sa.Column("conversation_id", sa.Text()))
    op.create_index(
        "ix_requests_conversation",
        "requests",
        ["conversation_id", "created_at"],
        postgresql_where=sa.text("conversation_id is not null"),
    )
    op.create_index(
        "ix_requests_own",
        "requests",
        [
            "tenant",
            sa.text("(document #>> '{requester,issuer}')"),
            sa.text("(document #>> '{requester,subject}')"),
        ],
        postgresql_where=sa.text("conversation_id is not null"),
    )


def _extend_proposals() -> None:
    op.add_column("proposals", sa.Column("risk", sa.Text()))
    op.create_index(
        "ix_proposals_of_request",
        "proposals",
        ["request_id"],
        postgresql_where=sa.text("request_id is not null"),
    )
    op.create_index(
        "ix_proposals_waiting",
        "proposals",
        ["tenant", "decide_by", "id"],
        postgresql_where=sa.text("state = 'awaiting_approval'"),
    )
    op.create_index(
        "ix_proposals_decided",
        "proposals",
        ["tenant", "state_since", "id"],
        postgresql_where=sa.text("state not in ('evaluating', 'awaiting_approval')"),
    )
    op.create_table(
        "comments",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("proposal_id", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("author", postgresql.JSONB(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        _created_at(),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_comments")),
        sa.ForeignKeyConstraint(
            ["proposal_id"], ["proposals.id"], name=op.f("fk_comments_proposal_id_proposals")
        ),
    )
    op.create_index(op.f("ix_comments_proposal_id_created_at"), "comments", ["proposal_id", "created_at"])


def _create_operations() -> None:
    op.create_table(
        "observed_pools",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("target_key", sa.Text(), nullable=False),
        sa.Column("target", postgresql.JSONB(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("team", sa.Text(), nullable=False),
        sa.Column("document", postgresql.JSONB()),
        sa.Column("reason_code", sa.Text()),
        _moment("looked_at", nullable=False),
        sa.PrimaryKeyConstraint("tenant", "target_key", name=op.f("pk_observed_pools")),
    )
    op.create_index("ix_ledger_entries_window", "ledger_entries", ["tenant", "scope", "window", "created_at"])


def _name_actors() -> None:
    """Give each event's row its actor, as its leaf names it. The trigger that keeps rows unchanged steps aside once."""
    op.add_column("audit_events", sa.Column("actor", sa.Text()))
    op.execute("drop trigger numbered_once on audit_events")
    op.execute(_ACTOR_OF_LEAF)
    op.alter_column("audit_events", "actor", nullable=False)
    op.execute(_NUMBERED_ONCE)
    op.create_index("ix_audit_events_by_type", "audit_events", ["tenant", "type", "number"])
    op.create_index("ix_audit_events_by_actor", "audit_events", ["tenant", "actor", "number"])


def downgrade() -> None:
    msg = "a revision is not taken back: restore the backup of before the upgrade instead"
    raise RuntimeError(msg)
