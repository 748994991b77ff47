"""Amounts of more decimals than the ledger keeps: a price less a discount, tokens at a fraction of a cent."""

from __future__ import annotations

from decimal import Decimal

import pytest
from sqlalchemy import select

from adapters.audit.replay import replay
from adapters.store import ledger
from adapters.store.database import Database
from adapters.store.ledger import Cap, ModelClaim
from adapters.store.schema import audit_events
from contracts.audit import AuditEvent
from tests.adapters.store.ledger_money import (
    NOVEMBER,
    TENANT,
    amount,
    balance,
    faults,
    reserved,
    settled,
    share,
)
from tests.adapters.store.samples import stored_request

pytestmark = pytest.mark.postgres_15

HOURLY = "2.47864360338"
"""3.934354926 per hour, a list price, less 37 %."""


async def assert_adds_up(database: Database) -> None:
    """The sums are those of the entries, and those that the audit log's payloads give."""
    assert await faults(database) == ()
    async with database.reading() as connection:
        leaves = await connection.execute(select(audit_events.c.leaf).order_by(audit_events.c.ordinal))
        state = replay(AuditEvent.model_validate_json(leaf) for leaf in leaves.scalars())
    found, told = await balance(database), state.balances[TENANT, "tenant", NOVEMBER]
    assert (told.reserved, told.committed, told.hourly) == (found.reserved, found.committed, found.hourly)


@pytest.mark.parametrize("saved", [HOURLY, "4.95728720676", "0.00000000005"])
async def test_a_run_rate_that_grew_and_shrank_adds_up_in_the_ledger_and_in_the_log(
    database: Database, saved: str
) -> None:
    await settled(database, await reserved(database, amount("100")), HOURLY, share("10"))
    await assert_adds_up(database)
    await settled(database, await reserved(database), f"-{saved}", share("5"))
    await assert_adds_up(database)


async def test_what_takes_back_the_whole_of_a_run_rate_leaves_nothing_of_it(database: Database) -> None:
    await settled(database, await reserved(database, amount("100")), HOURLY, share("10"))
    await settled(database, await reserved(database), f"-{HOURLY}", share("5"))
    assert (await balance(database)).hourly == 0


@pytest.mark.parametrize(
    ("most", "cost"), [("0.5", "0.12345678905"), ("0.12345678905", "0"), ("0.1", "0.20000000005")]
)
async def test_calls_of_a_model_add_up_in_the_ledger_and_in_the_log(
    database: Database, most: str, cost: str
) -> None:
    request = await stored_request(database)
    claim = ModelClaim(amount(most), Cap(Decimal(10)))
    async with database.transaction() as connection:
        assert await ledger.reserve_model_spend(connection, TENANT, request.id, [claim]) == ()
    async with database.transaction() as connection:
        await ledger.settle_model_spend(connection, TENANT, request.id, Decimal(cost))
    await assert_adds_up(database)
    assert (await balance(database)).reserved == 0
