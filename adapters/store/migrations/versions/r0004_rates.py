"""Rates: token buckets, the history of a target's changes, who proposed what, and what is open on a target."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_OPEN = "state in ('evaluating', 'awaiting_approval', 'ready', 'executing', 'verifying', 'rolling_back')"

_PLACE_OF_USES = """
update rate_uses u set tenant = p.tenant, environment = p.environment
from proposals p where p.id = u.proposal_id
"""

# What the past hour used up is still used up.
_BUCKETS = """
insert into rate_buckets (key, deficit, as_of)
select key, count(*) * 3600000000, now() from (
    select 'target:' || target_key as key from rate_uses where used_at > now() - interval '1 hour'
    union all
    select 'agent:' || agent from rate_uses where used_at > now() - interval '1 hour' and agent is not null
) as uses group by key
"""

_AGENTS = """
update proposals p set agent = (
    select (author ->> 'issuer') || '/' || (author ->> 'subject')
    from jsonb_array_elements(p.draft -> 'authors') with ordinality as a (author, place)
    where author ->> 'kind' = 'agent' order by place limit 1
)
where jsonb_typeof(p.draft -> 'authors') = 'array'
"""


def upgrade() -> None:
    """Bring the tables to this revision."""
    op.create_table(
        "rate_buckets",
        sa.Column("key", sa.Text(), primary_key=True),
        sa.Column("deficit", sa.BigInteger(), nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("deficit >= 0", name=op.f("ck_rate_buckets_deficit_is_not_negative")),
    )
    op.execute(_BUCKETS)
    op.add_column("rate_uses", sa.Column("tenant", sa.Text()))
    op.add_column("rate_uses", sa.Column("environment", sa.Text()))
    op.add_column(
        "rate_uses", sa.Column("direction", sa.Integer(), nullable=False, server_default=sa.text("0"))
    )
    op.execute(_PLACE_OF_USES)
    op.alter_column("rate_uses", "tenant", nullable=False)
    op.alter_column("rate_uses", "environment", nullable=False)
    op.create_index("ix_rate_uses_by_environment", "rate_uses", ["tenant", "environment", "used_at"])
    op.add_column("proposals", sa.Column("held_until", sa.DateTime(timezone=True)))
    op.add_column("proposals", sa.Column("agent", sa.Text()))
    op.execute(_AGENTS)
    op.add_column(
        "requests",
        sa.Column("joined", postgresql.ARRAY(sa.Text()), nullable=False, server_default=sa.text("'{}'")),
    )
    op.add_column("requests", sa.Column("resolved_at", sa.DateTime(timezone=True)))
    op.create_index(
        "ix_requests_joined",
        "requests",
        ["joined"],
        postgresql_using="gin",
        postgresql_where=sa.text("joined <> '{}'"),
    )
    op.create_index("ix_proposals_by_environment", "proposals", ["tenant", "environment", "created_at"])
    op.create_index(
        "ix_proposals_by_agent",
        "proposals",
        ["agent", "created_at"],
        postgresql_where=sa.text("agent is not null"),
    )
    op.create_index(
        "ix_proposals_open_by_target", "proposals", ["target_key"], postgresql_where=sa.text(_OPEN)
    )


def downgrade() -> None:
    msg = "a revision is not taken back: restore the backup of before the upgrade instead"
    raise RuntimeError(msg)
