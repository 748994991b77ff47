"""Windows: overrides of a closed window, break-glass grants, and what they let through."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Bring the tables to this revision."""
    op.create_table(
        "gate_overrides",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("proposal_id", sa.Text(), sa.ForeignKey("proposals.id"), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("expires_at", _MOMENT, nullable=False),
        sa.Column("document", JSONB(), nullable=False),
    )
    op.create_index("ix_gate_overrides_proposal_id_revision", "gate_overrides", ["proposal_id", "revision"])
    op.create_table(
        "break_glass",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("opened_at", _MOMENT, nullable=False),
        sa.Column("confirm_by", _MOMENT, nullable=False),
        sa.Column("expires_at", _MOMENT),
        sa.Column("document", JSONB(), nullable=False),
    )
    op.create_index("ix_break_glass_list", "break_glass", ["tenant", "opened_at", "id"])
    op.create_index(
        "ix_break_glass_open",
        "break_glass",
        ["status"],
        postgresql_where=sa.text("status in ('awaiting_second', 'active')"),
    )
    op.create_table(
        "break_glass_uses",
        sa.Column("grant_id", sa.Text(), sa.ForeignKey("break_glass.id"), primary_key=True),
        sa.Column("proposal_id", sa.Text(), sa.ForeignKey("proposals.id"), primary_key=True),
        sa.Column("revision", sa.Integer(), primary_key=True),
        sa.Column("pass_number", sa.Integer(), primary_key=True),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("document", JSONB(), nullable=False),
    )


def downgrade() -> None:
    msg = "a revision is not taken back: restore the backup of before the upgrade instead"
    raise RuntimeError(msg)
