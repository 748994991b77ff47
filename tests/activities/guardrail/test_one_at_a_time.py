"""A cluster is changed by one proposal at a time; who waits is woken in turn, and a hold keeps nobody else out."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from sqlalchemy import insert, update

from activities.housekeeping.lost import LostProposals
from adapters.configuration import parse
from adapters.store import halts
from adapters.store.schema import intents, proposals, rate_uses
from contracts.base import utc_now
from contracts.messages import proposal_workflow_id
from contracts.proposal import Proposal, ProposalState
from contracts.safety import HaltScope
from tests.activities.guardrail.admitting import close, ready, woken
from tests.activities.guardrail.conftest import CONFIGURATION, Guards
from tests.contracts.samples import BEN


async def test_one_cluster_is_changed_by_one_proposal_at_a_time_and_the_next_is_woken(guards: Guards) -> None:
    first, second = await ready(guards), await ready(guards, node_pool="other")
    results = [await guards.admit(first), await guards.admit(second)]
    assert [result.admitted for result in results] == [True, False]
    held = results[1]
    assert (held.state, held.reason_code) == (ProposalState.READY, "target_busy")
    assert held.held_on == (await guards.row(second)).held_on == second.action.target.serialisation_domain
    assert await woken(guards) == []
    await close(guards, first)
    assert await woken(guards) == [second.id]
    assert (await guards.admit(second, 3)).admitted
    assert (await guards.row(second)).held_on is None


async def test_of_many_at_once_exactly_one_gets_the_cluster(guards: Guards) -> None:
    waiting = [await ready(guards) for _ in range(6)]
    results = await asyncio.gather(*[guards.admit(proposal) for proposal in waiting])
    assert [result.admitted for result in results].count(True) == 1
    assert {result.reason_code for result in results if not result.admitted} == {"target_busy"}


async def test_a_newcomer_does_not_overtake_who_waits_already(guards: Guards) -> None:
    first, waiting, newcomer = await ready(guards), await ready(guards), await ready(guards)
    urgent = await ready(guards, priority=1)
    await guards.admit(first)
    await guards.admit(waiting)
    await close(guards, first)
    overtaken = await guards.admit(newcomer)
    assert (overtaken.admitted, overtaken.reason_code) == (False, "target_busy")
    assert (await guards.admit(urgent)).admitted


async def waiting_in_line(guards: Guards) -> list[Proposal]:
    """Two who waited for a cluster that is free by now, of whom the first was woken."""
    first, *waiting = [await ready(guards, node_pool=name) for name in ("at-work", "one", "two")]
    assert [(await guards.admit(one)).admitted for one in (first, *waiting)] == [True, False, False]
    await close(guards, first)
    assert await woken(guards) == [waiting[0].id]
    return waiting


async def test_whoever_is_denied_when_its_turn_has_come_leaves_it_to_the_next(guards: Guards) -> None:
    denied, following = await waiting_in_line(guards)
    guards.configuration = parse(CONFIGURATION.replace("max_nodes_per_zone: 8", "max_nodes_per_zone: 3"))
    assert (await guards.admit(denied, 3)).state is ProposalState.DENIED
    assert await woken(guards) == [denied.id, following.id]


async def test_whoever_is_held_by_something_else_when_its_turn_has_come_leaves_it_to_the_next(
    guards: Guards,
) -> None:
    held, following = await waiting_in_line(guards)
    async with guards.database.transaction() as connection:
        scope = HaltScope(target=held.action.target.key)
        await halts.create(connection, scope, "stop", actor=BEN, tenant="default")
    assert (await guards.admit(held, 3)).reason_code == "halted"
    assert await woken(guards) == [held.id, following.id]
    assert (await guards.admit(following, 3)).admitted


async def test_a_wait_for_ones_turn_names_who_is_first(guards: Guards) -> None:
    first, *_ = await waiting_in_line(guards)
    newcomer = await ready(guards)
    assert (await guards.admit(newcomer)).reason_code == "target_busy"
    assert (await guards.row(newcomer)).message.startswith(first.id)


async def test_what_is_held_behind_a_proposal_whose_workflow_is_gone_goes_on_after_an_hour(
    guards: Guards,
) -> None:
    lost, following = await waiting_in_line(guards)

    async def runs(workflow_id: str) -> bool:
        return workflow_id != proposal_workflow_id(lost.id)

    sweep = LostProposals(guards.database, guards.configuration, runs)
    assert await sweep.hand_over() == 0
    assert (await guards.admit(following, 3)).reason_code == "target_busy"
    async with guards.database.transaction() as connection:
        long_ago = proposals.c.state_since - timedelta(hours=1)
        await connection.execute(update(proposals).values(state_since=long_ago))
    assert await sweep.hand_over() == 1
    assert (await guards.row(lost)).reason_code == "workflow_lost"
    assert await woken(guards) == [lost.id, following.id]
    assert (await guards.admit(following, 4)).admitted


async def test_nobody_is_woken_for_a_cluster_at_which_somebody_is_at_work(guards: Guards) -> None:
    first, held, other = [await ready(guards, node_pool=name) for name in ("at-work", "one", "two")]
    assert [(await guards.admit(one)).admitted for one in (first, held, other)] == [True, False, False]
    async with guards.database.transaction() as connection:
        await connection.execute(
            update(proposals).where(proposals.c.id == held.id).values(execute_by=utc_now())
        )
    assert (await guards.admit(held, 3)).state is ProposalState.EXPIRED
    assert await woken(guards) == []


async def test_a_halt_holds_and_its_end_wakes(guards: Guards) -> None:
    proposal = await ready(guards)
    async with guards.database.transaction() as connection:
        halt = await halts.create(connection, HaltScope(everything=True), "stop", actor=BEN, tenant="default")
    result = await guards.admit(proposal)
    assert (result.state, result.admitted, result.held_on) == (ProposalState.READY, False, f"halt:{halt.id}")
    assert (await guards.rows("leases"))[0].owner is None
    async with guards.database.transaction() as connection:
        await halts.end(connection, halt.id, actor=BEN)
    assert await woken(guards) == [proposal.id]
    assert (await guards.admit(proposal, 3)).admitted


async def test_a_hold_gives_the_lease_back_and_keeps_the_reservation(guards: Guards) -> None:
    proposal = await ready(guards)
    assert (await guards.admit(proposal)).admitted
    reserved = [row.reserved for row in await guards.rows("budget_windows")]
    async with guards.database.transaction() as connection:
        await halts.create(connection, HaltScope(everything=True), "stop", actor=BEN, tenant="default")
    assert not (await guards.admit(proposal, 3)).admitted
    assert (await guards.rows("leases"))[0].owner is None
    assert [row.reserved for row in await guards.rows("budget_windows")] == reserved


async def test_a_target_rests_after_its_last_effect_ended(guards: Guards) -> None:
    guards.configuration = parse(CONFIGURATION.replace("cooldown: 0s", "cooldown: 10m"))
    first, second = await ready(guards), await ready(guards)
    await guards.admit(first)
    now = utc_now()
    async with guards.database.transaction() as connection:
        await connection.execute(update(rate_uses).values(used_at=now - timedelta(hours=2)))
        await connection.execute(
            insert(intents).values(
                key="k",
                proposal_id=first.id,
                step="forward",
                document={},
                fence=1,
                call_deadline=now,
                settled_at=now - timedelta(minutes=9),
            )
        )
    await close(guards, first)
    assert (await guards.admit(second)).reason_code == "cooldown"
    async with guards.database.transaction() as connection:
        await connection.execute(update(intents).values(settled_at=now - timedelta(minutes=11)))
    assert (await guards.admit(second, 3)).admitted
