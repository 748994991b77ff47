"""The intent transaction under halts and break-glass: what was stopped meanwhile does not begin."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import insert, select, text

from activities.execution.admission import Admission
from adapters.store import break_glass, breakers, halts
from adapters.store.database import database_now
from adapters.store.schema import break_glass_uses, outbox
from contracts.break_glass import BreakGlass, BreakGlassStatus, BreakGlassUse
from contracts.configuration import BypassableGate
from contracts.effect import EffectResult, Step
from contracts.safety import HaltScope
from emulators.gke.faults import FaultKind
from tests.activities.execution.admitting import OPERATOR, S, halt, work_of
from tests.contracts.samples import BEN
from tests.proposal_stack import MODE, PUBLIC_KEYS, TIMINGS, EffectStack, eventually, resize


async def broken(stack: EffectStack) -> BreakGlass:
    """A grant that two people opened and confirmed."""
    async with stack.database.transaction() as connection:
        now = await database_now(connection)
        grant = BreakGlass(
            id="brk_1",
            scope=HaltScope(everything=True),
            gates=tuple(BypassableGate),
            reason="down",
            minutes=30,
            status=BreakGlassStatus.AWAITING_SECOND,
            opened_by=OPERATOR,
            opened_at=now,
            confirm_by=now + timedelta(minutes=15),
        )
        await break_glass.create(connection, grant, tenant="default")
        active = await break_glass.confirm(connection, grant, BEN, tenant="default")
    assert active.counts_at(now)
    return active


async def lets_through(stack: EffectStack, grant: BreakGlass, proposal_id: str) -> None:
    """Note that the pass went by this grant."""
    use = BreakGlassUse(
        grant_id=grant.id,
        proposal_id=proposal_id,
        revision=1,
        pass_number=2,
        gates=(BypassableGate.RATE,),
        at=grant.opened_at,
    )
    async with stack.database.transaction() as connection:
        await connection.execute(
            insert(break_glass_uses).values(
                **use.model_dump(exclude={"gates"}), document=use.model_dump(mode="json")
            )
        )


async def test_a_grant_that_is_over_lets_nothing_through_that_a_pass_let_through_by_it(
    stack: EffectStack,
) -> None:
    proposal_id = await stack.ready(resize(3))
    grant = await broken(stack)
    await lets_through(stack, grant, proposal_id)
    async with stack.database.transaction() as connection:
        await break_glass.end(connection, grant, BEN, tenant="default")
    outcome = await stack.execute(proposal_id)
    assert (outcome.result, outcome.reason_code) == (EffectResult.NEEDS_NEW_PASS, "break_glass_over")
    assert stack.sizes_set() == []


async def test_a_grant_that_counts_and_one_that_another_pass_went_by_stop_nothing(stack: EffectStack) -> None:
    proposal_id, other = await stack.ready(resize(3)), await stack.create(resize(2))
    grant = await broken(stack)
    await lets_through(stack, grant, proposal_id)
    over = grant.model_copy(update={"id": "brk_2"})
    async with stack.database.transaction() as connection:
        await break_glass.create(connection, over, tenant="default")
        await break_glass.end(connection, over, BEN, tenant="default")
    await lets_through(stack, over, other.id)
    assert (await stack.execute(proposal_id)).state is S.VERIFYING


async def test_a_halt_stops_an_effect_whatever_break_glass_says(stack: EffectStack) -> None:
    proposal_id = await stack.ready(resize(3))
    await broken(stack)
    await halt(stack)
    outcome = await stack.execute(proposal_id)
    assert (outcome.result, outcome.reason_code) == (EffectResult.NEEDS_NEW_PASS, "halted")
    assert stack.sizes_set() == []


async def test_a_halt_between_pass_and_effect_stops_it(stack: EffectStack) -> None:
    proposal_id = await stack.ready(resize(3))
    assert (await halt(stack)).status == "effective"
    outcome = await stack.execute(proposal_id)
    assert (outcome.result, outcome.reason_code) == (EffectResult.NEEDS_NEW_PASS, "halted")
    assert stack.sizes_set() == []
    assert await stack.lease_owner() is None


async def _until_it_waits_or_acts(stack: EffectStack, before: object) -> None:
    """However busy the machine is: the attempt stands at the lock that the halt holds, or has gone past it."""
    waiting = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
    async with asyncio.timeout(60):
        while stack.sizes_set() == before:
            async with stack.database.reading() as connection:
                if (await connection.execute(waiting)).scalar_one():
                    return
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("step", list(Step))
async def test_an_intent_waits_for_a_halt_that_is_being_written(stack: EffectStack, step: Step) -> None:
    await stack.fleet.admin.add_fault("SetNodePoolSize", FaultKind.STOCKOUT)
    proposal_id = await stack.ready(resize(3))
    if step is Step.COMPENSATION:
        await stack.execute(proposal_id)
    before = stack.sizes_set()
    async with stack.database.transaction() as connection:
        stop = await halts.create(
            connection, HaltScope(environment="production"), "stop", actor=OPERATOR, tenant="default"
        )
        assert stop.status == "effective"
        attempt = asyncio.create_task(stack.execute(proposal_id, step))
        await _until_it_waits_or_acts(stack, before)
    await asyncio.sleep(0.5)
    assert stack.sizes_set() == before
    attempt.cancel()
    await asyncio.gather(attempt, return_exceptions=True)


async def test_a_halt_drains_only_as_long_as_a_call_may_be_in_flight(stack: EffectStack) -> None:
    stack.timings = TIMINGS
    await stack.fleet.admin.add_fault("SetNodePoolSize", FaultKind.SLOW, delay=3)
    await stack.fleet.admin.settings(operation=600)
    proposal_id = await stack.ready(resize(3))
    attempt = asyncio.create_task(stack.execute(proposal_id))

    async def is_in_flight() -> bool:
        return await stack.intent(proposal_id) is not None

    async def operation() -> str | None:
        name: str | None = (await stack.intent(proposal_id)).operation
        return name

    await eventually(is_in_flight)
    assert (await halt(stack)).status == "draining"
    name = await eventually(operation)
    async with stack.database.transaction() as connection:
        assert len(await halts.settle(connection)) == 1
    await stack.fleet.admin.finish_operation(name or "")
    assert (await attempt).state is S.VERIFYING


async def told(stack: EffectStack, proposal_id: str) -> list[str]:
    """What people were told of a proposal, as reason codes."""
    async with stack.database.reading() as connection:
        about = select(outbox.c.payload).where(outbox.c.kind == "notify", outbox.c.subject == proposal_id)
        return [one["reason_code"] for one in (await connection.execute(about)).scalars()]


async def test_however_often_a_halted_way_back_is_asked_for_it_is_told_once(stack: EffectStack) -> None:
    await stack.fleet.admin.add_fault("SetNodePoolSize", FaultKind.STOCKOUT)
    proposal_id = await stack.ready(resize(3))
    await stack.execute(proposal_id)
    await halt(stack)
    work = await work_of(stack, proposal_id, Step.COMPENSATION)
    admission = Admission(stack.database, PUBLIC_KEYS, MODE, stack.timings)
    assert [await admission.compensation(work) for _ in range(2)] == [None, None]
    assert await told(stack, proposal_id) == ["compensation_halted"]


async def test_a_halt_holds_the_way_back_and_pages_once(stack: EffectStack) -> None:
    await stack.fleet.admin.add_fault("SetNodePoolSize", FaultKind.STOCKOUT)
    proposal_id = await stack.ready(resize(3))
    await stack.execute(proposal_id)
    stop = await halt(stack)
    undoing = asyncio.create_task(stack.execute(proposal_id, Step.COMPENSATION))

    await eventually(lambda: told(stack, proposal_id))
    await asyncio.sleep(0.5)
    assert not undoing.done()
    assert stack.sizes_set() == [3]
    assert await told(stack, proposal_id) == ["compensation_halted"]
    async with stack.database.transaction() as connection:
        await halts.end(connection, stop.id, actor=OPERATOR)
    assert (await undoing).state is S.ROLLING_BACK
    assert stack.sizes_set() == [3, 2]


async def test_a_halted_way_back_goes_on_saying_why_it_is_taken_and_names_no_halt_that_has_ended(
    stack: EffectStack,
) -> None:
    await stack.fleet.admin.add_fault("SetNodePoolSize", FaultKind.STOCKOUT)
    proposal_id = await stack.ready(resize(3))
    wrong = (await stack.execute(proposal_id)).reason_code
    stop = await halt(stack)
    undoing = asyncio.create_task(stack.execute(proposal_id, Step.COMPENSATION))
    await eventually(lambda: told(stack, proposal_id))
    held = await stack.row(proposal_id)
    assert (held.held_on, held.reason_code) == (f"halt:{stop.id}", wrong)
    assert "halt" in held.message
    async with stack.database.transaction() as connection:
        await halts.end(connection, stop.id, actor=OPERATOR)
    await undoing
    freed = await stack.row(proposal_id)
    assert (freed.held_on, freed.message, freed.reason_code) == (None, "", wrong)
    await stack.verify(proposal_id, Step.COMPENSATION)
    async with stack.database.reading() as connection:
        blamed = {one.last_reason_code for one in await breakers.all_breakers(connection)}
    assert blamed == {wrong}
