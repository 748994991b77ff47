"""What becomes of a reservation once the change is verified, and what the next window starts with."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from adapters.store import ledger
from adapters.store.database import Database
from adapters.store.ledger import Cap
from tests.adapters.store.ledger_money import (
    DECEMBER,
    NOVEMBER,
    amount,
    balance,
    entries,
    faults,
    reserved,
    seen,
    settled,
    share,
    told,
)

pytestmark = pytest.mark.postgres_15

D = Decimal


async def test_a_change_as_large_as_expected_commits_its_cost_and_releases_the_rest(
    database: Database,
) -> None:
    proposal = await reserved(database, amount("100"))
    await settled(database, proposal, "0.90", share("110"))
    found = await balance(database)
    assert (found.reserved, found.committed, found.hourly) == (D(0), D(99), D("0.90"))
    assert await entries(database) == [
        ("reserve", D(100), D(0)),
        ("commit", D(99), D("0.90")),
        ("release", D(1), D(0)),
    ]
    assert await faults(database) == ()


async def test_a_smaller_one_commits_less_and_one_without_effect_nothing(database: Database) -> None:
    for hourly, committed in (("0.50", 50), ("0", 50)):
        proposal = await reserved(database, amount("100"))
        await settled(database, proposal, hourly, share("100"))
        found = await balance(database)
        assert (found.reserved, found.committed) == (D(0), D(committed))


async def test_a_larger_one_records_the_overrun(database: Database) -> None:
    proposal = await reserved(database, amount("100"))
    await settled(database, proposal, "1.50", share("100"))
    found = await balance(database)
    assert (found.reserved, found.committed, found.hourly) == (D(0), D(150), D("1.50"))
    assert [kind for kind, _, _ in await entries(database)] == ["reserve", "commit", "adjust"]
    assert await faults(database) == ()


async def test_a_second_settlement_after_the_first_only_ever_counts_the_first(database: Database) -> None:
    proposal = await reserved(database, amount("100"))
    await settled(database, proposal, "1", share("100"))
    async with database.transaction() as connection:
        await ledger.commit_all(connection, proposal.id)
        assert not await ledger.release_all(connection, proposal.id)
    assert (await balance(database)).committed == 100


async def test_a_shrink_gives_back_what_it_saves_and_never_what_is_spent(database: Database) -> None:
    await settled(database, await reserved(database, amount("100")), "1", share("100"))
    await settled(database, await reserved(database), "-0.25", share("40"))
    found = await balance(database)
    assert (found.committed, found.hourly) == (D(90), D("0.75"))
    # Five dollars per hour less, where 0.75 were counted: 0.75 × 20 hours come back.
    await settled(database, await reserved(database), "-5", share("20"))
    found = await balance(database)
    assert (found.committed, found.hourly) == (D(75), D(0))
    await settled(database, await reserved(database), "-5", share("20"))
    assert (await balance(database)).committed == 75
    assert await faults(database) == ()


async def test_a_new_window_starts_with_the_run_rate_of_the_one_before(database: Database) -> None:
    await settled(database, await reserved(database, amount("100")), "0.125", share("100"))
    assert ((await seen(database, DECEMBER)).committed, (await seen(database, DECEMBER)).is_new) == (
        D(90),
        True,
    )
    proposal = await reserved(database, amount("5", DECEMBER))
    found = await balance(database, DECEMBER)
    assert (found.reserved, found.committed, found.hourly) == (D(5), D(90), D("0.125"))
    assert ("opening", D(90), D("0.125")) in await entries(database)
    await reserved(database, amount("5", DECEMBER))
    assert [kind for kind, _, _ in await entries(database)].count("opening") == 1
    assert (await seen(database, DECEMBER)).committed == 90
    await settled(database, proposal, "0", share("100", DECEMBER))
    assert await faults(database) == ()


async def test_days_and_months_carry_their_own_run_rate_across_a_gap(database: Database) -> None:
    proposal = await reserved(database, amount("24", "day:2026-11-21"), amount("100"))
    await settled(database, proposal, "2", share("12", "day:2026-11-21"), share("50"))
    await reserved(database, amount("1", "day:2026-11-25"))
    found = await balance(database, "day:2026-11-25")
    assert (found.committed, found.hourly) == (D(48), D(2))
    assert (await balance(database)).committed == 100


async def test_a_window_that_ended_before_the_verification_keeps_its_part_and_the_next_the_rate(
    database: Database,
) -> None:
    proposal = await reserved(database, amount("10"))
    await settled(database, proposal, "2", share("3", carries_rate=False), share("720", DECEMBER))
    november, december = await balance(database), await balance(database, DECEMBER)
    assert (november.reserved, november.committed, november.hourly) == (D(0), D(6), D(0))
    assert (december.committed, december.hourly) == (D(1440), D(2))
    assert await faults(database) == ()


async def test_what_was_reserved_in_a_window_long_gone_is_committed_there(database: Database) -> None:
    proposal = await reserved(database, amount("10"))
    await settled(database, proposal, "2", share("100", DECEMBER))
    assert (await balance(database)).committed == 10
    assert (await balance(database, DECEMBER)).committed == 200


async def test_racers_for_a_new_window_open_it_once(database: Database) -> None:
    await settled(database, await reserved(database, amount("100")), "1", share("100"))
    await asyncio.gather(*[reserved(database, amount("1", DECEMBER)) for _ in range(8)])
    found = await balance(database, DECEMBER)
    assert (found.committed, found.reserved) == (D(720), D(8))
    assert await faults(database) == ()


async def test_each_alert_is_told_once_per_window_by_the_posting_that_crosses_it(database: Database) -> None:
    caps = {("tenant", NOVEMBER): Cap(D(100), (50, 80, 100))}
    await reserved(database, amount("49.99"), caps=caps)
    assert await told(database) == ([], 0)
    await reserved(database, amount("0.01"), caps=caps)
    assert await told(database) == ([50], 1)
    big = await reserved(database, amount("50"), caps=caps)
    assert await told(database) == ([50, 80, 100], 3)
    async with database.transaction() as connection:
        await ledger.release_all(connection, big.id)
    await reserved(database, amount("50"), caps=caps)
    assert await told(database) == ([50, 80, 100], 3)
    assert (await balance(database)).alerted == 100


async def test_an_overrun_and_an_opening_alert_too(database: Database) -> None:
    proposal = await reserved(database, amount("10"))
    await settled(database, proposal, "1", share("100"), caps={("tenant", NOVEMBER): Cap(D(90), (100,))})
    assert await told(database) == ([100], 1)
    await reserved(database, amount("1", DECEMBER), caps={("tenant", DECEMBER): Cap(D(500), (100,))})
    assert await told(database) == ([100, 100], 2)


@pytest.mark.parametrize(
    "statement",
    [
        "update ledger_entries set amount = 1",
        "delete from ledger_entries",
        "truncate ledger_entries",
        "update budget_windows set reserved = -1",
        "update budget_windows set committed = -1",
    ],
)
async def test_the_ledger_takes_nothing_back_and_holds_nothing_negative(
    database: Database, statement: str
) -> None:
    await reserved(database, amount("10"))
    with pytest.raises(IntegrityError):
        async with database.transaction() as connection:
            await connection.execute(text(statement))


async def test_sums_that_do_not_follow_from_the_entries_are_found(database: Database) -> None:
    await reserved(database, amount("10"))
    assert await faults(database) == ()
    for statement in (
        "update budget_windows set committed = 1",
        "update budget_windows set committed = 0, hourly = 1",
    ):
        async with database.transaction() as connection:
            await connection.execute(text(statement))
        (fault,) = await faults(database)
        assert fault == "tenant month:2026-11: its sums are not those of its entries"


async def test_what_a_closed_proposal_left_behind_is_swept_and_a_dirty_one_keeps_its_own(
    database: Database,
) -> None:
    made = {state: await reserved(database, amount("10")) for state in ("failed", "dirty", "ready", "denied")}
    async with database.transaction() as connection:
        for state, proposal in made.items():
            await connection.execute(
                text("update proposals set state = :state where id = :id"),
                {"state": state, "id": proposal.id},
            )
    assert await ledger.sweep_reservations(database) == 2
    assert (await balance(database)).reserved == 20
    assert await ledger.sweep_reservations(database) == 0
    async with database.reading() as connection:
        for state in ("dirty", "ready"):
            assert sum(one.reserved for one in await ledger.positions_of(connection, made[state].id)) == 10
