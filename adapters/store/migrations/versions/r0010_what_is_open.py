"""What is open, and what belongs to one proposal or person, is found by an index, however much is over."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_NOT_OVER = (
    "state in ('evaluating', 'awaiting_approval', 'ready', 'executing', 'verifying', 'rolling_back', 'dirty')"
)


def upgrade() -> None:
    op.create_index("ix_decisions_proposal_id_revision", "decisions", ["proposal_id", "revision"])
    op.drop_index("ix_proposals_open_by_target", "proposals")
    op.create_index(
        "ix_proposals_open_by_target", "proposals", ["target_key"], postgresql_where=sa.text(_NOT_OVER)
    )
    op.create_index(
        "ix_requests_open",
        "requests",
        ["created_at"],
        postgresql_where=sa.text("status in ('received', 'planning')"),
    )
    op.create_index(
        "ix_intents_operation", "intents", ["operation"], postgresql_where=sa.text("operation is not null")
    )
    op.create_index("ix_break_glass_uses_proposal_id", "break_glass_uses", ["proposal_id"])
    op.create_index(
        "ix_sessions_person",
        "sessions",
        [sa.text("(principal ->> 'issuer')"), sa.text("(principal ->> 'subject')"), "created_at"],
    )


def downgrade() -> None:
    msg = "a revision is not taken back: restore the backup of before the upgrade instead"
    raise RuntimeError(msg)
