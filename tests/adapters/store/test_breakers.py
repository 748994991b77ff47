from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import breakers
from adapters.store.batch import Batch
from adapters.store.database import Database, database_now
from adapters.store.schema import audit_events, outbox, proposals
from contracts.circuit_breaker import PROBE_LASTS, Measure, Outcome
from contracts.configuration import BreakerLimits
from contracts.configuration.limits import AgentBreakerLimits
from contracts.holds import on_breaker
from contracts.safety import Breaker, BreakerState
from tests.adapters.store.samples import stored_proposal
from tests.contracts.samples import AGENT, BEN, NOON
from tests.steps import count_outcome

TARGET = "target:gke.node_pool/acme-prod/europe-west4/serving/inference"
KIND = "kind:gke.node_pool.resize"
PROVIDER = "provider:gke"
T = TypeVar("T")
LIMITS = BreakerLimits(failures=3, cooldown=timedelta(minutes=5), jitter=0)


async def record(database: Database, *, ok: bool, proposal_id: str | None = None) -> None:
    async with database.transaction() as connection:
        now = await database_now(connection)
        code = "verified" if ok else "stockout"
        await count_outcome(connection, [TARGET, KIND], ok, code, LIMITS, now, proposal_id=proposal_id)


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
        held_on = on_breaker(breaker_id)
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
    assert found.probe_expires_at == now + PROBE_LASTS
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
        await breakers.release_probes(connection, "prp_probe", tenant="default")
    found = await breaker(database, KIND)
    assert found is not None
    assert (found.state, found.probe_owner) == (BreakerState.OPEN, None)
    assert await subjects(database, "wake") == [waiting]


async def test_a_person_can_reset_it_with_a_reason(database: Database) -> None:
    for _ in range(3):
        await record(database, ok=False)
    waiting = await held(database, TARGET)
    async with database.transaction() as connection:
        closed = await breakers.reset(
            connection, TARGET, actor=BEN, reason="quota was raised", tenant="default"
        )
        assert (
            await breakers.reset(connection, "target:unknown", actor=BEN, reason="?", tenant="default")
            is None
        )
    assert closed is not None
    assert closed == await breaker(database)
    assert (closed.state, closed.consecutive_failures) == (BreakerState.CLOSED, 0)
    assert await subjects(database, "wake") == [waiting]
    async with database.reading() as connection:
        leaves = await connection.execute(select(audit_events.c.leaf).order_by(audit_events.c.ordinal.desc()))
        newest = bytes(leaves.scalars().first() or b"").decode()
    assert "quota was raised" in newest
    assert '"subject":"ben"' in newest


async def move(database: Database, work: Callable[[AsyncConnection, datetime], Awaitable[T]]) -> T:
    async with database.transaction() as connection:
        return await work(connection, await database_now(connection))


async def notices(database: Database) -> list[dict[str, Any]]:
    async with database.reading() as connection:
        found = select(outbox.c.payload).where(outbox.c.kind == "notify").order_by(outbox.c.id)
        return list((await connection.execute(found)).scalars())


async def test_a_rate_of_failures_opens_it_although_none_come_in_a_row(database: Database) -> None:
    limits = BreakerLimits(failures=3, failure_rate=0.5, least_outcomes=4, jitter=0)
    for ok in (True, False, True, False):
        now = NOON
        async with database.transaction() as connection:
            await count_outcome(connection, [KIND], ok, "stockout", limits, now)
    found = await breaker(database, KIND)
    assert found is not None
    assert (found.state, found.rule) == (BreakerState.OPEN, "failure_rate")


async def test_what_lies_before_the_window_does_not_count(database: Database) -> None:
    limits = BreakerLimits(failures=10, failures_in_window=3, window=timedelta(hours=1))
    for hours in (-3, -2, 0):
        async with database.transaction() as connection:
            now = NOON + timedelta(hours=hours)
            await count_outcome(connection, [KIND], False, "stockout", limits, now)
    found = await breaker(database, KIND)
    assert found is not None
    assert (found.state, found.consecutive_failures) == (BreakerState.CLOSED, 3)
    async with database.transaction() as connection:
        assert await breakers.forget_outcomes(connection, NOON - timedelta(hours=1)) == 2


async def test_a_breaker_that_closed_begins_anew(database: Database) -> None:
    limits = BreakerLimits(failures=100, failures_in_window=3, jitter=0)

    async def fail(connection: AsyncConnection, now: datetime) -> None:
        await count_outcome(connection, [KIND], False, "stockout", limits, now)

    for _ in range(3):
        await move(database, fail)
    await probe(database, "prp_probe")
    await record_one(database, KIND, ok=True, proposal_id="prp_probe")
    for _ in range(2):
        await move(database, fail)
    found = await breaker(database, KIND)
    assert found is not None
    assert (found.state, found.openings) == (BreakerState.CLOSED, 0)


async def record_one(
    database: Database, breaker_id: str, *, ok: bool, proposal_id: str | None = None
) -> None:
    async with database.transaction() as connection:
        now = await database_now(connection)
        await count_outcome(connection, [breaker_id], ok, "stockout", LIMITS, now, proposal_id=proposal_id)


async def test_each_opening_is_told_and_lasts_longer(database: Database) -> None:
    for _ in range(3):
        await record_one(database, KIND, ok=False)
    for owner in ("prp_1", "prp_2"):
        await probe(database, owner)
        await record_one(database, KIND, ok=False, proposal_id=owner)
    found = await breaker(database, KIND)
    assert found is not None
    assert found.openings == 3
    assert found.opened_at is not None
    assert found.open_until == found.opened_at + timedelta(minutes=20)
    assert [one["reopened"] for one in await notices(database)] == [False, True, True]


async def test_the_jitter_is_drawn_once_and_kept(database: Database) -> None:
    limits = BreakerLimits(failures=1, cooldown=timedelta(minutes=10), jitter=0.5)
    async with database.transaction() as connection:
        await count_outcome(connection, [KIND], False, "x", limits, NOON, draw=lambda: 1.0)
    found = await breaker(database, KIND)
    assert found is not None
    assert found.open_until == NOON + timedelta(minutes=5)
    async with database.reading() as connection:
        (leaf,) = (await connection.execute(select(audit_events.c.leaf))).scalars()
    assert '"open_until":"2026-11-21T12:05:00Z"' in bytes(leaf).decode()


async def test_when_its_time_is_over_one_that_waits_is_woken_once(database: Database) -> None:
    first, _ = await held(database, KIND), await held(database, KIND)
    async with database.transaction() as connection:
        limits = BreakerLimits(failures=1, cooldown=timedelta(0), jitter=0)
        await count_outcome(connection, [KIND], False, "x", limits, await database_now(connection))
    for _ in range(2):
        async with database.transaction() as connection:
            await breakers.cool_down(connection, tenant="default")
    assert await subjects(database, "wake") == [first]


async def test_one_that_is_read_first_waits_for_its_read(database: Database) -> None:
    waiting = await held(database, TARGET)
    limits = BreakerLimits(failures=1, cooldown=timedelta(0), jitter=0)
    async with database.transaction() as connection:
        now = await database_now(connection)
        await count_outcome(connection, [TARGET], False, "x", limits, now)
        assert await breakers.mark_ready(connection, now, tenant="default") == 0
        assert not await breakers.take_probe(connection, TARGET, "prp_1", now, tenant="default")
    found = await breaker(database)
    assert found is not None
    assert await subjects(database, "wake") == []
    async with database.transaction() as connection:
        now = await database_now(connection)
        assert await breakers.mark_ready(connection, now, read=found, tenant="default") == 1
        assert await breakers.mark_ready(connection, now, read=found, tenant="default") == 0
    assert await subjects(database, "wake") == [waiting]
    async with database.transaction() as connection:
        now = await database_now(connection)
        assert await breakers.take_probe(connection, TARGET, "prp_1", now, tenant="default")
        assert not await breakers.take_probe(connection, TARGET, "prp_2", now, tenant="default")


async def test_a_read_that_came_too_late_moves_nothing(database: Database) -> None:
    limits = BreakerLimits(failures=1, cooldown=timedelta(0), jitter=0)
    async with database.transaction() as connection:
        now = await database_now(connection)
        await count_outcome(connection, [TARGET], False, "x", limits, now)
    read = await breaker(database)
    assert read is not None
    async with database.transaction() as connection:
        await breakers.reset(connection, TARGET, actor=BEN, reason="cured", tenant="default")
        now = await database_now(connection)
        assert await breakers.mark_ready(connection, now, read=read, tenant="default") == 0
        assert not await breakers.reopen_after_read(connection, read, "x", limits, now, tenant="default")
    found = await breaker(database)
    assert found is not None
    assert found.state is BreakerState.CLOSED


async def test_a_person_can_open_one_that_never_failed(database: Database) -> None:
    async with database.transaction() as connection:
        opened = await breakers.open_by_hand(
            connection, PROVIDER, actor=BEN, reason="maintenance", lasts=None, now=NOON, tenant="default"
        )
    assert (opened.state, opened.open_until, opened.rule) == (BreakerState.OPEN, None, "operator")
    assert opened == await breaker(database, PROVIDER)
    async with database.transaction() as connection:
        later = NOON + timedelta(days=400)
        assert not await breakers.take_probe(connection, PROVIDER, "prp_1", later, tenant="default")
    assert [one["breaker_id"] for one in await notices(database)] == [PROVIDER]
    async with database.reading() as connection:
        (leaf,) = (await connection.execute(select(audit_events.c.leaf))).scalars()
    assert '"reason":"maintenance"' in bytes(leaf).decode()


async def test_an_agents_rates_count_each_proposal_once(database: Database) -> None:
    name = "agent:sluice/capacity-agent"
    limits = BreakerLimits(
        agent=AgentBreakerLimits(override_rate=0.5, rollback_rate=0.5, least_outcomes=4), jitter=0
    )

    async def reviewed(owner: str, *, ok: bool) -> None:
        outcome = Outcome(name, ok, "overridden", owner=owner, measure=Measure.REVIEW)
        async with database.transaction() as connection:
            await breakers.record(
                connection, [outcome], limits, await database_now(connection), tenant="default"
            )

    for number in range(3):
        await reviewed(f"prp_{number}", ok=True)
    for _ in range(3):
        await reviewed("prp_contested", ok=False)
    found = await breaker(database, name)
    assert found is not None
    assert found.state is BreakerState.CLOSED
    for number in (7, 8):
        await reviewed(f"prp_{number}", ok=False)
    found = await breaker(database, name)
    assert found is not None
    assert (found.state, found.rule) == (BreakerState.OPEN, "override_rate")


async def test_what_says_nothing_about_a_breaker_only_gives_its_probe_back(database: Database) -> None:
    for _ in range(3):
        await record_one(database, KIND, ok=False)
    await probe(database, "prp_probe")
    before = await breaker(database, KIND)
    async with database.transaction() as connection:
        outcome = Outcome(KIND, None, "refused", owner="prp_other")
        await breakers.record(connection, [outcome], LIMITS, NOON, tenant="default")
    assert await breaker(database, KIND) == before
    async with database.transaction() as connection:
        outcome = Outcome(KIND, None, "refused", owner="prp_probe")
        await breakers.record(connection, [outcome], LIMITS, NOON, tenant="default")
    after = await breaker(database, KIND)
    assert after is not None
    assert before is not None
    assert (after.state, after.probe_owner) == (BreakerState.OPEN, None)
    assert after.consecutive_failures == before.consecutive_failures
