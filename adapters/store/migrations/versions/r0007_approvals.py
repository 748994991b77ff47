"""Approvals: the newest vote of a person counts, and proposals are edited."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables to this revision."""
    op.drop_index("uq_decisions_one_vote", table_name="decisions")
    for name, status in (("uq_decisions_one_recorded", "recorded"), ("uq_decisions_one_vote", "applied")):
        op.create_index(
            name,
            "decisions",
            ["proposal_id", "revision", "reviewer"],
            unique=True,
            postgresql_where=sa.text(f"status = '{status}'"),
        )
    op.create_table(
        "revisions",
        sa.Column("proposal_id", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("replaced", postgresql.JSONB(), nullable=False),
        sa.Column("draft", postgresql.JSONB(), nullable=False),
        sa.Column("editor", postgresql.JSONB(), nullable=False),
        sa.Column("reason_name", sa.Text()),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["proposal_id"], ["proposals.id"]),
        sa.PrimaryKeyConstraint("proposal_id", "revision"),
    )
    op.create_index("ix_revisions_by_time", "revisions", ["created_at", "proposal_id"])


def downgrade() -> None:
    msg = "a revision is not taken back: restore the backup of before the upgrade instead"
    raise RuntimeError(msg)
