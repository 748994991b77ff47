"""Circuit breakers: what opened them, how often in a row, the read before the probe, and outcomes for their rates."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables to this revision."""
    moment = sa.DateTime(timezone=True)
    op.add_column(
        "breakers", sa.Column("openings", sa.Integer(), server_default=sa.text("0"), nullable=False)
    )
    op.add_column("breakers", sa.Column("rule", sa.Text(), nullable=True))
    op.add_column("breakers", sa.Column("read_first_until", moment, nullable=True))
    op.add_column("breakers", sa.Column("ready_at", moment, nullable=True))
    op.create_table(
        "breaker_outcomes",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("breaker_id", sa.Text(), nullable=False),
        sa.Column("measure", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("ok", sa.Boolean(), nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_breaker_outcomes")),
    )
    op.create_index(
        op.f("ix_breaker_outcomes_breaker_id_at"), "breaker_outcomes", ["breaker_id", "at"], unique=False
    )
    op.create_index(op.f("ix_breaker_outcomes_at"), "breaker_outcomes", ["at"], unique=False)


def downgrade() -> None:
    msg = "a revision is not taken back: restore the backup of before the upgrade instead"
    raise RuntimeError(msg)
