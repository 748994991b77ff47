"""Budgets: the ledger becomes double-entry and append-only; run-rates, alerts, and what changes cost in the end."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_MONEY = sa.Numeric(24, 10)

_ACCOUNTS = """
update ledger_entries set
    debit = case kind when 'reserve' then 'available' else 'reserved' end,
    credit = case kind when 'reserve' then 'reserved' when 'commit' then 'committed' else 'available' end
"""

_MOVES = """(kind, debit, credit) in (
    ('reserve', 'available', 'reserved'), ('commit', 'reserved', 'committed'), ('release', 'reserved', 'available'),
    ('adjust', 'available', 'committed'), ('adjust', 'committed', 'available'), ('opening', 'available', 'committed')
)"""

_SUBJECT = """case kind when 'opening' then coalesce(proposal_id, request_id) is null
else (proposal_id is null) <> (request_id is null) end"""

_REFUSE = """
create function sluice_ledger_is_append_only() returns trigger language plpgsql as $$
begin
    raise exception 'the ledger is append-only' using errcode = 'integrity_constraint_violation';
end $$
"""


def upgrade() -> None:
    """Bring the tables to this revision."""
    _extend_windows()
    _extend_entries()
    _create_costs()
    op.execute(_REFUSE)
    for verb in ("update", "delete", "truncate"):
        op.execute(
            f"create trigger no_{verb} before {verb} on ledger_entries "
            "for each statement execute function sluice_ledger_is_append_only()"
        )


def _money(name: str, *, default: bool = False) -> sa.Column[object]:
    return sa.Column(name, _MONEY, nullable=False, server_default=sa.text("0") if default else None)


def _extend_windows() -> None:
    """What was committed before has no rate: a new window starts without it, as it did."""
    op.add_column("budget_windows", _money("hourly", default=True))
    op.add_column(
        "budget_windows", sa.Column("alerted", sa.Integer(), nullable=False, server_default=sa.text("0"))
    )
    for name in ("committed", "hourly"):
        op.create_check_constraint(
            op.f(f"ck_budget_windows_{name}_is_not_negative"), "budget_windows", f"{name} >= 0"
        )


def _extend_entries() -> None:
    op.add_column("ledger_entries", sa.Column("request_id", sa.Text()))
    op.create_foreign_key(
        op.f("fk_ledger_entries_request_id_requests"), "ledger_entries", "requests", ["request_id"], ["id"]
    )
    op.alter_column("ledger_entries", "proposal_id", nullable=True)
    for name in ("debit", "credit"):
        op.add_column("ledger_entries", sa.Column(name, sa.Text()))
    op.execute(_ACCOUNTS)
    for name in ("debit", "credit"):
        op.alter_column("ledger_entries", name, nullable=False)
    op.add_column("ledger_entries", _money("hourly", default=True))
    op.drop_constraint(op.f("uq_ledger_entries_proposal_id_scope_window_kind_posting"), "ledger_entries")
    op.create_unique_constraint(
        "uq_ledger_entries_posting",
        "ledger_entries",
        ["proposal_id", "request_id", "tenant", "scope", "window", "kind", "posting"],
        postgresql_nulls_not_distinct=True,
    )
    op.drop_constraint(op.f("ck_ledger_entries_kind_is_known"), "ledger_entries")
    op.create_check_constraint(
        op.f("ck_ledger_entries_kind_moves_between_its_accounts"), "ledger_entries", _MOVES
    )
    op.create_check_constraint(op.f("ck_ledger_entries_has_one_subject"), "ledger_entries", _SUBJECT)


def _create_costs() -> None:
    op.create_table(
        "action_costs",
        sa.Column("proposal_id", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("scopes", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        _money("price_per_node_hour"),
        sa.Column("price_source", sa.Text(), nullable=False),
        sa.Column("price_as_of", sa.Date(), nullable=False),
        sa.Column("estimated_nodes", sa.Integer(), nullable=False),
        sa.Column("verified_nodes", sa.Integer(), nullable=False),
        *[_money(f"{what}_{per}") for per in ("hourly", "monthly") for what in ("estimated", "verified")],
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()")),
        sa.ForeignKeyConstraint(
            ["proposal_id"], ["proposals.id"], name=op.f("fk_action_costs_proposal_id_proposals")
        ),
        sa.PrimaryKeyConstraint("proposal_id", name=op.f("pk_action_costs")),
    )
    op.create_index(op.f("ix_action_costs_tenant_created_at"), "action_costs", ["tenant", "created_at"])


def downgrade() -> None:
    msg = "a revision is not taken back: restore the backup of before the upgrade instead"
    raise RuntimeError(msg)
