"""Money of model calls: reserved for a request in every budget or in none, settled by what they cost."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import text

from adapters.store import ledger
from adapters.store.database import Database
from adapters.store.ledger import Cap, ModelClaim
from contracts.errors import NotFound
from tests.adapters.store.ledger_money import TENANT, amount, balance, faults, told
from tests.adapters.store.samples import stored_request

pytestmark = pytest.mark.postgres_15

WHOLE, MINE = "model:tenant", "model:agent=sluice/capacity-agent"


def claims(value: str, *limits: str) -> list[ModelClaim]:
    scopes = (WHOLE, MINE)
    return [
        ModelClaim(amount(value, scope=scope), Cap(Decimal(limit), (50, 100)))
        for scope, limit in zip(scopes, limits, strict=False)
    ]


async def reserve(database: Database, request_id: str, wanted: list[ModelClaim]) -> list[tuple[str, Decimal]]:
    async with database.transaction() as connection:
        short = await ledger.reserve_model_spend(connection, TENANT, request_id, wanted)
    return [(one.scope, one.missing) for one in short]


async def settle(database: Database, request_id: str, cost: str) -> None:
    async with database.transaction() as connection:
        await ledger.settle_model_spend(connection, TENANT, request_id, Decimal(cost))


async def test_a_request_reserves_in_every_budget_once_and_commits_what_it_cost(database: Database) -> None:
    request = await stored_request(database)
    for _ in range(2):
        assert await reserve(database, request.id, claims("0.50", "10", "1")) == []
    assert await told(database) == ([50], 1)
    for _ in range(2):
        await settle(database, request.id, "0.12")
    for scope in (WHOLE, MINE):
        found = await balance(database, scope=scope)
        assert (found.reserved, found.committed, found.hourly) == (Decimal(0), Decimal("0.12"), Decimal(0))
    assert await faults(database) == ()


async def test_what_one_budget_does_not_hold_is_reserved_in_none(database: Database) -> None:
    request = await stored_request(database)
    assert await reserve(database, request.id, claims("0.50", "10", "0.20")) == [(MINE, Decimal("0.30"))]
    async with database.reading() as connection:
        assert (await connection.execute(text("select count(*) from ledger_entries"))).scalar_one() == 0


async def test_what_a_request_has_reserved_already_is_not_counted_against_it(database: Database) -> None:
    request, other = await stored_request(database), await stored_request(database)
    for _ in range(2):
        assert await reserve(database, request.id, claims("0.75", "1")) == []
    assert await reserve(database, request.id, claims("1", "1")) == []
    assert await reserve(database, other.id, claims("0.01", "1")) == [(WHOLE, Decimal("0.01"))]


async def test_a_budget_in_another_currency_holds_nothing(database: Database) -> None:
    first, second = await stored_request(database), await stored_request(database)
    await reserve(database, first.id, claims("0.10", "10"))
    (claim,) = claims("0.50", "10")
    euros = ModelClaim(replace(claim.amount, currency="EUR"), claim.cap)
    assert await reserve(database, second.id, [euros]) == [(WHOLE, Decimal("0.50"))]
    assert (await balance(database, scope=WHOLE)).reserved == Decimal("0.10")


async def test_calls_that_cost_more_than_was_reserved_block_the_next_request(database: Database) -> None:
    first, second = await stored_request(database), await stored_request(database)
    await reserve(database, first.id, claims("0.50", "1"))
    await settle(database, first.id, "1.25")
    assert (await balance(database, scope=WHOLE)).committed == Decimal("1.25")
    assert await reserve(database, second.id, claims("0.01", "1")) == [(WHOLE, Decimal("0.26"))]
    assert await faults(database) == ()


async def test_requests_that_race_for_the_rest_of_a_budget_never_pass_its_cap(database: Database) -> None:
    requests = [await stored_request(database) for _ in range(12)]
    short = await asyncio.gather(*[reserve(database, one.id, claims("1", "5")) for one in requests])
    assert sorted(len(one) for one in short) == [0] * 5 + [1] * 7
    assert (await balance(database, scope=WHOLE)).reserved == 5


async def test_a_request_that_is_over_gives_back_what_it_left(database: Database) -> None:
    over, working = await stored_request(database), await stored_request(database)
    for one in (over, working):
        await reserve(database, one.id, claims("1", "5"))
    async with database.transaction() as connection:
        await connection.execute(
            text("update requests set status = 'failed' where id = :id"), {"id": over.id}
        )
    assert await ledger.sweep_reservations(database) == 0
    await settle(database, working.id, "1")
    assert await ledger.sweep_reservations(database, planned_within=timedelta(0)) == 1
    assert (await balance(database, scope=WHOLE)).reserved == 0


async def test_a_request_of_another_tenant_or_of_nobody_reserves_nothing(database: Database) -> None:
    request = await stored_request(database)
    for tenant, request_id in (("other", request.id), (TENANT, "req_none")):
        with pytest.raises(NotFound):
            async with database.transaction() as connection:
                await ledger.reserve_model_spend(connection, tenant, request_id, claims("1", "5"))
