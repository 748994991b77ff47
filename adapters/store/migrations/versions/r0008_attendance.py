"""Attendance: delegations, and the reminders of proposals that wait; decisions by time, for approvers' figures."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Bring the tables to this revision."""
    op.create_table(
        "delegations",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("delegator", sa.Text(), nullable=False),
        sa.Column("delegate", sa.Text(), nullable=False),
        sa.Column("starts_at", _MOMENT, nullable=False),
        sa.Column("until", _MOMENT, nullable=False),
        sa.Column("document", JSONB(), nullable=False),
        sa.Column("revoked_at", _MOMENT),
        sa.Column("revoked_by", sa.Text()),
        sa.Column("created_at", _MOMENT, server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_delegations"),
    )
    for name, columns in (
        ("ix_delegations_lent", ["tenant", "delegate", "until"]),
        ("ix_delegations_list", ["tenant", "until", "id"]),
    ):
        op.create_index(name, "delegations", columns, postgresql_where=sa.text("revoked_at is null"))
    op.create_table(
        "reminders",
        sa.Column("proposal_id", sa.Text(), nullable=False),
        sa.Column("waiting_since", _MOMENT, nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", _MOMENT, server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["proposal_id"], ["proposals.id"], name="fk_reminders_proposal_id_proposals"),
        sa.PrimaryKeyConstraint("proposal_id", "waiting_since", "step", name="pk_reminders"),
    )
    op.create_index("ix_decisions_by_time", "decisions", ["created_at", "id"])


def downgrade() -> None:
    msg = "a revision is not taken back: restore the backup of before the upgrade instead"
    raise RuntimeError(msg)
