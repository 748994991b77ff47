"""What a pass was judged by, and what a candidate policy would have made of it: both beside the evaluation."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("evaluations", sa.Column("facts", postgresql.JSONB()))
    op.add_column("evaluations", sa.Column("shadow", postgresql.JSONB()))
    op.create_index(
        "ix_evaluations_first",
        "evaluations",
        ["created_at", "proposal_id", "revision"],
        postgresql_where=sa.text("pass_number = 1"),
    )
    op.create_index(
        "ix_evaluations_shadow",
        "evaluations",
        ["created_at"],
        postgresql_where=sa.text("shadow is not null"),
    )


def downgrade() -> None:
    msg = "a revision is not taken back: restore the backup of before the upgrade instead"
    raise RuntimeError(msg)
