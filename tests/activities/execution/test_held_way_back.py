"""A halt that holds the way back for long: what it held for is no time in which anybody tried."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import update

from activities.execution import activities, admission
from activities.execution.admission import Admission
from activities.execution.attempt import Granted, Work
from adapters.store import halts
from adapters.store.schema import halts as halt_rows
from adapters.store.schema import proposals
from contracts.effect import Step
from contracts.messages import EffectOutcome
from emulators.gke.faults import FaultKind
from tests.activities.execution.admitting import OPERATOR, S, halt
from tests.activities.execution.test_effects import CLUSTER, failing_attempt
from tests.proposal_stack import EffectStack, eventually, resize

BACK = Step.COMPENSATION
HOUR = timedelta(hours=1)


@pytest.fixture
def slow_halt(monkeypatch: pytest.MonkeyPatch) -> list[Work]:
    """Let an hour pass, by the clock of the process, each time that a halt holds the way back; return each time."""
    held: list[Work] = []
    asked = Admission.compensation

    def clock() -> float:
        return asyncio.get_running_loop().time() + len(held) * HOUR.total_seconds()

    async def compensation(self: Admission, work: Work) -> Granted | EffectOutcome | None:
        granted = await asked(self, work)
        if granted is None:
            held.append(work)
        return granted

    monkeypatch.setattr(Admission, "compensation", compensation)
    for module in (admission, activities):
        monkeypatch.setattr(module, "_clock", clock)
    return held


async def went_wrong(stack: EffectStack) -> str:
    """A proposal on its way back."""
    await stack.fleet.admin.add_fault("SetNodePoolSize", FaultKind.STOCKOUT)
    proposal_id = await stack.ready(resize(3))
    assert (await stack.execute(proposal_id)).state is S.ROLLING_BACK
    return proposal_id


async def end(stack: EffectStack, halt_id: str) -> None:
    async with stack.database.transaction() as connection:
        await halts.end(connection, halt_id, actor=OPERATOR)


async def held_for_long(stack: EffectStack, proposal_id: str, *, ended: timedelta = timedelta(0)) -> None:
    """Hold the way back by a halt for an hour and more, which ended so long ago."""
    stop = await halt(stack)
    attempt = asyncio.create_task(stack.execute(proposal_id, BACK))

    async def is_held() -> bool:
        return (await stack.row(proposal_id)).held_on is not None

    await eventually(is_held)
    attempt.cancel()
    await asyncio.gather(attempt, return_exceptions=True)
    await end(stack, stop.id)
    async with stack.database.transaction() as connection:
        since = {"state_since": proposals.c.state_since - HOUR - ended}
        await connection.execute(update(proposals).values(since))
        await connection.execute(update(halt_rows).values(ended_at=halt_rows.c.ended_at - ended))


async def test_a_cluster_that_is_busy_when_a_long_halt_ends_is_waited_for(
    stack: EffectStack, slow_halt: list[Work]
) -> None:
    proposal_id = await went_wrong(stack)
    stop = await halt(stack)
    undoing = asyncio.create_task(stack.execute(proposal_id, BACK))

    async def is_held() -> bool:
        return len(slow_halt) > 1

    async def has_found_it_busy() -> bool:
        intent = await stack.intent(proposal_id, BACK)
        return intent is not None and intent.settled_at is not None

    await eventually(is_held)
    operation = await stack.fleet.admin.start_operation(CLUSTER)
    await end(stack, stop.id)
    await eventually(has_found_it_busy)
    await stack.fleet.admin.finish_operation(operation)
    assert (await undoing).state is S.ROLLING_BACK
    assert stack.sizes_set() == [3, 2]


async def test_a_provider_that_is_away_when_a_long_halt_ends_is_asked_again(stack: EffectStack) -> None:
    proposal_id = await went_wrong(stack)
    await held_for_long(stack, proposal_id)
    await stack.fleet.admin.add_fault("GetNodePool", FaultKind.UNAVAILABLE)
    assert await failing_attempt(stack, proposal_id, BACK) == "provider_unavailable"
    assert (await stack.execute(proposal_id, BACK)).state is S.ROLLING_BACK
    assert stack.sizes_set() == [3, 2]


async def test_a_provider_that_stays_away_long_after_a_halt_leaves_the_way_back_to_a_person(
    stack: EffectStack,
) -> None:
    proposal_id = await went_wrong(stack)
    await held_for_long(stack, proposal_id, ended=HOUR)
    await stack.fleet.admin.add_fault("GetNodePool", FaultKind.UNAVAILABLE)
    outcome = await stack.execute(proposal_id, BACK)
    assert (outcome.state, outcome.reason_code) == (S.DIRTY, "provider_unavailable")
    assert stack.sizes_set() == [3]
