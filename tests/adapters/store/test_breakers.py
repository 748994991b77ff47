from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from sqlalchemy import select, update

from adapters.store import breakers
from adapters.store.batch import Batch
from adapters.store.database import Database, database_now
from adapters.store.schema import audit_events, outbox, proposals
from contracts.configuration import BreakerLimits
from contracts.safety import Breaker, BreakerState
from tests.adapters.store.samples import stored_proposal
from tests.contracts.samples import AGENT, BEN

TARGET = "target:gke.node_pool/acme-prod/europe-west4/serving/inference"
KIND = "kind:gke.node_pool.resize"
PROVIDER = "provider:gke"
LIMITS = BreakerLimits(failures=3, cooldown=timedelta(minutes=5), jitter=0)


async def record(database: Database, *, ok: bool, proposal_id: str | None = None) -> None:
    async with database.transaction() as connection:
        now = await database_now(connection)
        code = "verified" if ok else "stockout"
        await breakers.record_outcome(
            connection, [TARGET, KIND], ok, code, LIMITS, now, proposal_id=proposal_id
        )


async def breaker(database: Database, breaker_id: str = TARGET) -> Breaker | None:
    async with database.reading() as connection:
        found = await breakers.all_breakers(connection)
    return next((one for one in found if one.id == breaker_id), None)


async def probe(database: Database, proposal_id: str) -> datetime:
    async with database.transaction() as connection:
        now = await database_now(connection)
        batch = Batch()
        for one in await breakers.all_breakers(connection):
            breakers.add_probe(batch, one, proposal_id, now, tenant="default")
        await batch.send(connection)
    return now


async def subjects(database: Database, kind: str) -> list[str]:
    async with database.reading() as connection:
        found = select(outbox.c.subject).where(outbox.c.kind == kind).order_by(outbox.c.id)
        return list((await connection.execute(found)).scalars())


async def held(database: Database, breaker_id: str) -> str:
    proposal = await stored_proposal(database)
    async with database.transaction() as connection:
        held_on = breakers.held_on(breaker_id)
        values = update(proposals).where(proposals.c.id == proposal.id).values(state="ready", held_on=held_on)
        await connection.execute(values)
    return proposal.id


async def test_the_ids_are_in_the_order_in_which_they_are_locked() -> None:
    ids = breakers.breaker_ids(
        "gke.node_pool/acme-prod/europe-west4/serving/inference", "gke.node_pool.resize"
    )
    assert list(ids) == [KIND, PROVIDER, TARGET] == sorted(ids)
    with_agent = breakers.breaker_ids("t", "gke.node_pool.resize", AGENT)
    assert with_agent[0] == "agent:local/capacity-agent"
    assert list(with_agent) == sorted(with_agent)


async def test_success_leaves_no_trace_of_a_breaker(database: Database) -> None:
    await record(database, ok=True)
    assert await breaker(database) is None


async def test_failures_in_a_row_open_it_and_somebody_is_told(database: Database) -> None:
    for _ in range(2):
        await record(database, ok=False)
    found = await breaker(database)
    assert found is not None
    assert (found.state, found.consecutive_failures) == (BreakerState.CLOSED, 2)
    assert await subjects(database, "notify") == []
    await record(database, ok=False)
    found = await breaker(database)
    assert found is not None
    assert found.state is BreakerState.OPEN
    assert found.opened_at is not None
    assert found.open_until == found.opened_at + LIMITS.cooldown
    assert found.last_reason_code == "stockout"
    assert await subjects(database, "notify") == [KIND, TARGET]
    async with database.reading() as connection:
        moved = await connection.execute(select(audit_events.c.subject, audit_events.c.type))
        assert {tuple(row) for row in moved} == {(TARGET, "breaker.moved"), (KIND, "breaker.moved")}


async def test_a_success_between_failures_starts_the_count_anew(database: Database) -> None:
    for ok in (False, False, True, False, False):
        await record(database, ok=ok)
    found = await breaker(database)
    assert found is not None
    assert (found.state, found.consecutive_failures) == (BreakerState.CLOSED, 2)


async def test_no_failure_is_lost_among_many_at_once(database: Database) -> None:
    await asyncio.gather(*[record(database, ok=False) for _ in range(12)])
    found = await breaker(database)
    assert found is not None
    assert found.consecutive_failures == 12


async def test_the_probes_success_closes_it_and_wakes_everybody(database: Database) -> None:
    for _ in range(3):
        await record(database, ok=False)
    waiting = [await held(database, TARGET), await held(database, TARGET)]
    now = await probe(database, "prp_probe")
    found = await breaker(database)
    assert found is not None
    assert (found.state, found.probe_owner) == (BreakerState.HALF_OPEN, "prp_probe")
    assert found.probe_expires_at == now + breakers.PROBE_LASTS
    await record(database, ok=True, proposal_id="prp_probe")
    found = await breaker(database)
    assert found is not None
    assert (found.state, found.consecutive_failures, found.probe_owner) == (BreakerState.CLOSED, 0, None)
    assert sorted(await subjects(database, "wake")) == sorted(waiting)


async def test_the_probes_failure_opens_it_again(database: Database) -> None:
    for _ in range(3):
        await record(database, ok=False)
    await probe(database, "prp_probe")
    await record(database, ok=False, proposal_id="prp_probe")
    found = await breaker(database)
    assert found is not None
    assert (found.state, found.probe_owner) == (BreakerState.OPEN, None)


async def test_an_effect_that_began_before_cannot_close_it(database: Database) -> None:
    for _ in range(3):
        await record(database, ok=False)
    await record(database, ok=True, proposal_id="prp_early")
    found = await breaker(database)
    assert found is not None
    assert found.state is BreakerState.OPEN


async def test_a_probe_given_back_lets_the_next_one_probe(database: Database) -> None:
    for _ in range(3):
        await record(database, ok=False)
    waiting = await held(database, KIND)
    await probe(database, "prp_probe")
    async with database.transaction() as connection:
        await breakers.release_probes(connection, "prp_probe")
    found = await breaker(database, KIND)
    assert found is not None
    assert (found.state, found.probe_owner) == (BreakerState.OPEN, None)
    assert await subjects(database, "wake") == [waiting]


async def test_a_person_can_reset_it_with_a_reason(database: Database) -> None:
    for _ in range(3):
        await record(database, ok=False)
    waiting = await held(database, TARGET)
    async with database.transaction() as connection:
        closed = await breakers.reset(connection, TARGET, actor=BEN, reason="quota was raised")
        assert await breakers.reset(connection, "target:unknown", actor=BEN, reason="?") is None
    assert closed is not None
    assert closed == await breaker(database)
    assert (closed.state, closed.consecutive_failures) == (BreakerState.CLOSED, 0)
    assert await subjects(database, "wake") == [waiting]
    async with database.reading() as connection:
        leaves = await connection.execute(select(audit_events.c.leaf).order_by(audit_events.c.ordinal.desc()))
        newest = bytes(leaves.scalars().first() or b"").decode()
    assert "quota was raised" in newest
    assert '"subject":"ben"' in newest
