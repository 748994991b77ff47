"""What an open breaker does to a pass: it holds, it denies, and one proposal probes it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal

from sqlalchemy import update

from adapters.store import breakers, cancellation, halts
from adapters.store.database import database_now
from adapters.store.schema import breakers as breaker_rows
from contracts import circuit_breaker
from contracts.configuration import BreakerLimits
from contracts.proposal import Proposal
from contracts.safety import HaltScope
from tests.activities.guardrail.admitting import close, ready, woken
from tests.activities.guardrail.conftest import Guards
from tests.contracts.samples import AGENT, ANA, BEN
from tests.steps import count_outcome


async def fail(guards: Guards, proposal: Proposal, times: int, cooldown: timedelta) -> None:
    async with guards.database.transaction() as connection:
        for _ in range(times):
            await count_outcome(
                connection,
                breakers.breaker_ids(proposal.action.target.key, proposal.action.kind)[:1],
                False,
                "stockout",
                BreakerLimits(failures=3, cooldown=cooldown),
                await database_now(connection),
            )


async def test_an_open_breaker_holds(guards: Guards) -> None:
    proposal = await ready(guards)
    await fail(guards, proposal, 3, timedelta(minutes=5))
    result = await guards.admit(proposal)
    assert (result.admitted, result.reason_code) == (False, "breaker_open")
    assert result.held_on == "breaker:kind:gke.node_pool.resize"


async def test_an_open_breaker_denies_at_once_what_it_would_outlast(guards: Guards) -> None:
    proposal = await guards.propose_in_development()
    await fail(guards, proposal, 3, timedelta(days=1))
    assert (await guards.check(proposal)).reason_code == "breaker_open"


async def test_when_a_breaker_is_due_exactly_one_proposal_probes_it(guards: Guards) -> None:
    waiting = [await ready(guards, cluster=f"dev-{number}") for number in range(4)]
    await fail(guards, waiting[0], 3, timedelta(0))
    results = await asyncio.gather(*[guards.admit(proposal) for proposal in waiting])
    admitted = [proposal for proposal, result in zip(waiting, results, strict=True) if result.admitted]
    assert len(admitted) == 1
    assert {result.reason_code for result in results if not result.admitted} == {"breaker_half_open"}
    (breaker,) = await guards.rows("breakers")
    assert (breaker.state, breaker.probe_owner) == ("half_open", admitted[0].id)
    await close(guards, admitted[0], "stale")
    (breaker,) = await guards.rows("breakers")
    assert (breaker.state, breaker.probe_owner) == ("open", None)
    assert len(await woken(guards)) == 1


async def test_while_an_agents_breaker_is_open_a_person_must_agree(guards: Guards) -> None:
    people, agents = (
        await ready(guards),
        await ready(guards, cluster="dev-1", authors=(ANA, AGENT), confidence=1.0),
    )
    async with guards.database.transaction() as connection:
        await breakers.open_by_hand(
            connection,
            circuit_breaker.agent_breaker(AGENT),
            actor=BEN,
            reason="it goes astray",
            lasts=None,
            now=await database_now(connection),
            tenant="default",
        )
    assert (await guards.admit(people)).admitted
    result = await guards.admit(agents)
    assert (result.state.value, result.reason_code) == ("awaiting_approval", "agent_breaker_open")
    fresh = await guards.propose_in_development(cluster="dev-2", authors=(ANA, AGENT), confidence=1.0)
    assert (await guards.check(fresh)).reason_code == "agent_breaker_open"


async def test_an_open_provider_holds_every_change_of_its(guards: Guards) -> None:
    proposal = await ready(guards)
    async with guards.database.transaction() as connection:
        now = await database_now(connection)
        await breakers.open_by_hand(
            connection, "provider:gke", actor=BEN, reason="outage", lasts=None, now=now, tenant="default"
        )
    assert (await guards.admit(proposal)).held_on == "breaker:provider:gke"
    async with guards.database.transaction() as connection:
        await breakers.reset(connection, "provider:gke", actor=BEN, reason="over", tenant="default")
    assert await woken(guards) == [proposal.id]
    assert (await guards.admit(proposal, 3)).admitted


async def test_a_hold_gives_the_probe_to_the_next(guards: Guards) -> None:
    first, second = [await ready(guards, cluster=f"dev-{number}") for number in range(2)]
    await fail(guards, first, 3, timedelta(0))
    assert (await guards.admit(first)).admitted
    assert (await guards.admit(second)).reason_code == "breaker_half_open"
    only_first = HaltScope(target=first.action.target.key)
    async with guards.database.transaction() as connection:
        await halts.create(connection, only_first, "stop", actor=BEN, tenant="default")
    assert (await guards.admit(first, 3)).reason_code == "halted"
    assert await woken(guards) == [second.id]
    assert (await guards.admit(second, 3)).admitted


async def held_by_a_ready_breaker(guards: Guards) -> list[Proposal]:
    """Two that wait for a breaker which may be probed by now, of whom the first was woken."""
    waiting = [await ready(guards, cluster=f"dev-{number}") for number in range(2)]
    await fail(guards, waiting[0], 3, timedelta(minutes=5))
    assert {(await guards.admit(one)).reason_code for one in waiting} == {"breaker_open"}
    async with guards.database.transaction() as connection:
        await connection.execute(update(breaker_rows).values(open_until=await database_now(connection)))
        await breakers.cool_down(connection, tenant="default")
    assert await woken(guards) == [waiting[0].id]
    return waiting


async def test_whoever_is_held_by_something_else_when_it_might_probe_leaves_that_to_the_next(
    guards: Guards,
) -> None:
    held, following = await held_by_a_ready_breaker(guards)
    async with guards.database.transaction() as connection:
        scope = HaltScope(target=held.action.target.key)
        await halts.create(connection, scope, "stop", actor=BEN, tenant="default")
    assert (await guards.admit(held, 3)).reason_code == "halted"
    assert await woken(guards) == [held.id, following.id]
    assert (await guards.admit(following, 3)).admitted


async def test_when_the_first_that_a_ready_breaker_held_is_cancelled_before_it_probes_the_next_is_woken(
    guards: Guards,
) -> None:
    cancelled, following = await held_by_a_ready_breaker(guards)
    await cancel(guards, cancelled)
    assert await woken(guards) == [cancelled.id, following.id, cancelled.id]
    assert (await guards.admit(following, 3)).admitted


async def test_nobody_is_woken_for_a_breaker_that_somebody_probes(guards: Guards) -> None:
    first, second = await held_by_a_ready_breaker(guards)
    assert (await guards.admit(first, 3)).admitted
    third = await ready(guards, cluster="dev-3")
    assert (await guards.admit(third)).reason_code == "breaker_half_open"
    await cancel(guards, second)
    assert await woken(guards) == [first.id, second.id]


async def cancel(guards: Guards, proposal: Proposal) -> None:
    async with guards.database.transaction() as connection:
        assert await cancellation.cancel(connection, proposal.id, ANA, "cancelled_by_requester")


async def test_passes_and_closings_in_a_crowd_never_deadlock(guards: Guards) -> None:
    """A deadlock would surface as `StoreUnavailable`. Two clusters, agents and people, breakers in use."""
    crowd = [
        await ready(
            guards,
            cluster=f"dev-{number % 2}",
            node_pool=f"pool-{number}",
            authors=(ANA, AGENT) if number % 3 else (ANA,),
            confidence=0.9,
        )
        for number in range(12)
    ]
    await fail(guards, crowd[0], 1, timedelta(0))
    done = []

    async def live(proposal: Proposal) -> None:
        for number in range(2, 200):
            if (await guards.admit(proposal, number)).admitted:
                await fail(guards, proposal, 1, timedelta(0))
                await close(guards, proposal)
                done.append(proposal.id)
                return
            await asyncio.sleep(0.05)

    await asyncio.wait_for(asyncio.gather(*[live(proposal) for proposal in crowd]), 60)
    assert len(done) == len(crowd)
    assert {row.reserved for row in await guards.rows("budget_windows")} == {Decimal(0)}
    assert {row.owner for row in await guards.rows("leases")} == {None}
