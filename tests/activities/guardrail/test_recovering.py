"""After a breaker has closed: what it held goes one after the other, on a real database."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import update

from adapters.store import breakers
from adapters.store import proposals as store_proposals
from adapters.store.database import database_now
from adapters.store.schema import proposals
from contracts.proposal import Proposal, ProposalState
from tests.activities.guardrail.conftest import Guards
from tests.contracts.samples import BEN


async def ready(guards: Guards, **changes: object) -> Proposal:
    proposal = await guards.propose_in_development(**changes)
    assert (await guards.check(proposal)).state is ProposalState.READY
    return proposal


async def woken(guards: Guards) -> list[str]:
    return [row.subject for row in await guards.rows("outbox", kind="wake")]


async def opened(guards: Guards, ago: timedelta = timedelta(0)) -> datetime:
    """Open the provider's breaker as of some time ago; return now."""
    async with guards.database.transaction() as connection:
        now = await database_now(connection)
        await breakers.open_by_hand(
            connection,
            "provider:gke",
            actor=BEN,
            reason="outage",
            lasts=None,
            now=now - ago,
            tenant="default",
        )
    return now


async def closed(guards: Guards) -> datetime:
    """Close the provider's breaker; return the moment after that."""
    async with guards.database.transaction() as connection:
        await breakers.reset(connection, "provider:gke", actor=BEN, reason="over", tenant="default")
        return await database_now(connection)


async def two_ready_for(guards: Guards, ago: timedelta) -> list[Proposal]:
    waiting = [await ready(guards, cluster=f"dev-{number}") for number in range(2)]
    async with guards.database.transaction() as connection:
        since = await database_now(connection) - ago
        await connection.execute(update(proposals).values(state_since=since))
    return waiting


async def spread(guards: Guards, held: list[Proposal]) -> timedelta:
    """How far apart the two go that are held, once the breaker has closed."""
    first, second = [
        row.due_at
        for row in await guards.rows("outbox", kind="wake")
        if row.subject in {one.id for one in held}
    ]
    apart: timedelta = abs(second - first)
    return apart


async def test_what_they_waited_for_before_the_breaker_opened_makes_no_turn_longer(guards: Guards) -> None:
    held = await two_ready_for(guards, timedelta(hours=1))
    began = await opened(guards)
    for proposal in held:
        assert not (await guards.admit(proposal)).admitted
    over = await closed(guards)
    assert await spread(guards, held) <= (over - began) * 1.5 / 2


async def test_turns_are_as_long_as_the_breaker_stopped_through_all_its_openings(guards: Guards) -> None:
    held = await two_ready_for(guards, timedelta(hours=1))
    await opened(guards, timedelta(minutes=30))
    await closed(guards)
    began = await opened(guards, timedelta(minutes=2))
    await opened(guards)
    for proposal in held:
        assert not (await guards.admit(proposal)).admitted
    over = await closed(guards)
    stopped = over - began + timedelta(minutes=2)
    assert timedelta(minutes=2) * 1.5 / 2 <= await spread(guards, held) <= stopped * 1.5 / 2


async def test_what_a_closed_breaker_had_held_goes_one_after_the_other(guards: Guards) -> None:
    waiting = [await ready(guards, cluster=f"dev-{number}") for number in range(2)]
    now = await opened(guards, timedelta(minutes=2))
    for proposal in waiting:
        assert not (await guards.admit(proposal)).admitted
    async with guards.database.transaction() as connection:
        await connection.execute(update(proposals).values(state_since=now - timedelta(minutes=2)))
    await closed(guards)
    first, second = waiting
    assert await woken(guards) == [first.id, second.id]
    assert (await guards.admit(first, 3)).admitted
    early = await guards.admit(second, 3)
    assert (early.admitted, early.reason_code) == (False, "breaker_recovering")
    assert early.held_on == "breaker:provider:gke"
    assert await woken(guards) == [first.id, second.id]
    wakes = {row.subject: row.due_at for row in await guards.rows("outbox", kind="wake")}
    assert timedelta(seconds=85) < wakes[second.id] - wakes[first.id] < timedelta(seconds=125)
    (row,) = [one for one in await guards.rows("proposals") if one.id == second.id]
    assert row.held_until == wakes[second.id]
    async with guards.database.transaction() as connection:
        await connection.execute(update(proposals).values(held_until=now))
    assert (await guards.admit(second, 4)).admitted


async def test_a_breaker_closes_without_waiting_for_a_proposal_in_a_pass(guards: Guards) -> None:
    proposal = await ready(guards)
    await opened(guards)
    assert not (await guards.admit(proposal)).admitted
    async with guards.database.transaction() as in_a_pass:
        await store_proposals.lock(in_a_pass, proposal.id)
        await closed(guards)
    assert await woken(guards) == [proposal.id]
    assert (await guards.admit(proposal, 3)).admitted
