from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import insert, update

from adapters.store import budget_reads, requests
from adapters.store.budget_reads import BUCKETS, WindowSpan
from adapters.store.database import Database
from adapters.store.ledger.accounts import ACCOUNTS, EntryKind
from adapters.store.schema import ledger_entries
from adapters.store.schema import requests as requests_table
from contracts.request import AgentStep, RequestStatus
from tests.adapters.store.samples import stored_proposal, stored_request

pytestmark = pytest.mark.postgres_15

START = datetime(2026, 11, 1, tzinfo=UTC)
SPAN = WindowSpan("environment=production", "month:2026-11", START, datetime(2026, 12, 1, tzinfo=UTC))


async def post(
    database: Database, at: datetime, amounts: dict[EntryKind, str], window: str = SPAN.window
) -> None:
    proposal = await stored_proposal(database)
    async with database.transaction() as connection:
        for kind, amount in amounts.items():
            await connection.execute(
                insert(ledger_entries).values(
                    tenant="default",
                    proposal_id=proposal.id,
                    scope=SPAN.scope,
                    window=window,
                    currency="USD",
                    kind=kind,
                    debit=ACCOUNTS[kind][0],
                    credit=ACCOUNTS[kind][1],
                    posting=1,
                    amount=Decimal(amount),
                    created_at=at,
                )
            )


async def test_entries_are_bundled_by_part_of_the_window_and_kind(database: Database) -> None:
    await post(database, START + timedelta(hours=1), {"reserve": "30", "commit": "30"})
    await post(database, START + timedelta(hours=5), {"reserve": "10"})
    await post(database, START + timedelta(days=20), {"commit": "7.25"})
    await post(database, START, {"commit": "999"}, window="month:2026-10")
    async with database.reading() as connection:
        found = await budget_reads.postings(connection, "default", [SPAN])
    posted = found[SPAN.key]
    assert [(one.bucket, one.kind, one.amount) for one in posted] == [
        (1, "commit", Decimal(30)),
        (1, "reserve", Decimal(40)),
        (79, "commit", Decimal("7.25")),
    ]
    assert posted[1].at == START + timedelta(hours=2)
    assert all(1 <= one.bucket <= BUCKETS for one in posted)


async def test_what_is_posted_at_the_edges_is_counted_too(database: Database) -> None:
    for at in (START - timedelta(seconds=1), SPAN.ends_at + timedelta(seconds=1)):
        await post(database, at, {"commit": "1"})
    await post(database, START, {"release": "0"})
    async with database.reading() as connection:
        (posted,) = (await budget_reads.postings(connection, "default", [SPAN])).values()
        assert await budget_reads.postings(connection, "default", []) == {}
    assert [one.bucket for one in posted if one.kind == "commit"] == [1, BUCKETS]


async def test_model_calls_are_summed_by_day(database: Database) -> None:
    steps = (
        AgentStep(kind="model", name="stub-1", cost_usd="0.0125"),
        AgentStep(kind="tool", name="read_node_pool"),
        AgentStep(kind="model", name="stub-1", cost_usd="0.0025"),
    )
    today, yesterday = START + timedelta(days=2, hours=12), START + timedelta(days=1, hours=12)
    for moment in (today, yesterday, today, START - timedelta(days=1)):
        request = await stored_request(database)
        async with database.transaction() as connection:
            await requests.close(connection, request.id, RequestStatus.ANSWERED, "done", None, steps)
            await connection.execute(
                update(requests_table).where(requests_table.c.id == request.id).values(created_at=moment)
            )
    async with database.reading() as connection:
        found = await budget_reads.model_costs(connection, "default", START)
    assert [(one.day, one.cost, one.requests) for one in found] == [
        (yesterday.date(), Decimal("0.015"), 1),
        (today.date(), Decimal("0.03"), 2),
    ]
