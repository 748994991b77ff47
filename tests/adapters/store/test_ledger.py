from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from adapters.store import ledger
from adapters.store.database import Database
from adapters.store.ledger import Amount, Position, plan_reservation
from adapters.store.schema import audit_events, budget_windows, ledger_entries
from tests.adapters.store.samples import stored_proposal
from tests.steps import reserve

pytestmark = pytest.mark.postgres_15

MONTH = Amount("environment=production", "month:2026-11", "USD", Decimal("100.50"))
NONE = Decimal(0)
DAY = Amount("tenant", "day:2026-11-21", "USD", Decimal("3.10"))


async def sums(database: Database) -> dict[str, tuple[Decimal, Decimal]]:
    async with database.reading() as connection:
        rows = (await connection.execute(select(budget_windows))).all()
    return {row.window: (row.reserved, row.committed) for row in rows}


async def test_a_reservation_repeated_changes_nothing(database: Database) -> None:
    proposal = await stored_proposal(database)
    for _ in range(3):
        async with database.transaction() as connection:
            await reserve(connection, "default", proposal.id, [MONTH, DAY])
    assert await sums(database) == {MONTH.window: (MONTH.amount, NONE), DAY.window: (DAY.amount, NONE)}
    async with database.reading() as connection:
        assert len((await connection.execute(select(ledger_entries))).all()) == 2


async def test_committing_turns_reserved_money_into_spent_money_once(database: Database) -> None:
    proposal = await stored_proposal(database)
    async with database.transaction() as connection:
        await reserve(connection, "default", proposal.id, [MONTH, DAY])
    for _ in range(2):
        async with database.transaction() as connection:
            await ledger.commit_all(connection, proposal.id)
            await ledger.release_all(connection, proposal.id)
    assert await sums(database) == {MONTH.window: (NONE, MONTH.amount), DAY.window: (NONE, DAY.amount)}


async def test_releasing_gives_everything_back_once_and_only_ones_own(database: Database) -> None:
    mine, other = await stored_proposal(database), await stored_proposal(database)
    for proposal in (mine, other):
        async with database.transaction() as connection:
            await reserve(connection, "default", proposal.id, [MONTH])
    for _ in range(2):
        async with database.transaction() as connection:
            await ledger.release_all(connection, mine.id)
    assert await sums(database) == {MONTH.window: (MONTH.amount, NONE)}


async def test_a_new_window_frees_the_old_one(database: Database) -> None:
    proposal = await stored_proposal(database)
    tomorrow = Amount("tenant", "day:2026-11-22", "USD", Decimal(2))
    for wanted in ([DAY], [tomorrow]):
        async with database.transaction() as connection:
            await reserve(connection, "default", proposal.id, wanted, shrink=False)
    assert await sums(database) == {DAY.window: (NONE, NONE), tomorrow.window: (tomorrow.amount, NONE)}


async def test_every_posting_has_an_audit_event_from_which_the_sums_can_be_rebuilt(
    database: Database,
) -> None:
    proposal = await stored_proposal(database)
    async with database.transaction() as connection:
        await reserve(connection, "default", proposal.id, [MONTH])
        await ledger.release_all(connection, proposal.id)
        await reserve(connection, "default", proposal.id, [MONTH])
        await ledger.commit_all(connection, proposal.id)
    async with database.reading() as connection:
        events = await connection.execute(
            select(audit_events.c.leaf)
            .where(audit_events.c.type == "ledger.posted")
            .order_by(audit_events.c.ordinal)
        )
        leaves = [bytes(leaf).decode() for leaf in events.scalars()]
    assert len(leaves) == 4
    for leaf, (kind, posting) in zip(
        leaves, [("reserve", 1), ("release", 1), ("reserve", 2), ("commit", 1)], strict=True
    ):
        assert f'"kind":"{kind}"' in leaf
        assert f'"posting":{posting}' in leaf
        assert '"amount":"100.5' in leaf


async def test_the_database_itself_refuses_a_second_identical_posting(database: Database) -> None:
    proposal = await stored_proposal(database)
    copy = (
        "INSERT INTO ledger_entries "
        '(tenant, proposal_id, scope, "window", currency, kind, debit, credit, posting, amount) SELECT '
        'tenant, proposal_id, scope, "window", currency, kind, debit, credit, posting, amount FROM ledger_entries'
    )
    async with database.transaction() as connection:
        await reserve(connection, "default", proposal.id, [MONTH])
    with pytest.raises(IntegrityError):
        async with database.transaction() as connection:
            await connection.execute(text(copy))


money = st.decimals(min_value=0, max_value=10**6, places=2)
keys = st.sampled_from([("a", "day:1"), ("a", "day:2"), ("b", "month:1")])


@given(
    held=st.dictionaries(keys, money),
    wanted=st.dictionaries(keys, money),
    shrink=st.booleans(),
)
def test_a_plan_always_reaches_at_least_what_is_wanted_and_nothing_else_stays(
    held: dict[tuple[str, str], Decimal], wanted: dict[tuple[str, str], Decimal], shrink: bool
) -> None:
    positions = [Position(*key, "USD", amount) for key, amount in held.items()]
    aims = [Amount(*key, "USD", amount) for key, amount in wanted.items()]
    after = dict(held)
    for posting in plan_reservation(positions, aims, shrink=shrink):
        key = (posting.scope, posting.window)
        assert posting.amount > 0
        after[key] = after.get(key, Decimal(0)) + (
            posting.amount if posting.kind == "reserve" else -posting.amount
        )
    for key, amount in after.items():
        aim = wanted.get(key, Decimal(0))
        assert amount == aim or (key in wanted and not shrink and amount == held[key] > aim)
    assert all(after.get(key, Decimal(0)) >= aim for key, aim in wanted.items())
