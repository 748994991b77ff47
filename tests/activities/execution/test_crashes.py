"""Attempts that die or hang at a point of the test's choosing, and the ones that come after them."""

from __future__ import annotations

import asyncio
import dataclasses
from datetime import timedelta

import pytest
from sqlalchemy import text
from temporalio.exceptions import ApplicationError

from contracts.action import NodePoolTarget
from contracts.effect import ReceiptOutcome, Step
from contracts.observation import NodePoolObservation, ProviderOperation
from contracts.ports import NodePoolEffector, NodePoolReader
from contracts.proposal import ProposalState
from emulators.gke.faults import FaultKind
from tests.activities.execution.test_admission_halts import told
from tests.database_clock import set_clock
from tests.proposal_stack import EffectStack, eventually, resize

S = ProposalState


class WorkerDied(BaseException):
    """What a killed process looks like from inside: nothing after it runs."""


class DyingEffector:
    """Dies at its first call, before or after it went out."""

    def __init__(self, inner: NodePoolEffector, *, after: bool) -> None:
        self.inner, self.after, self.died = inner, after, False

    async def set_size(self, target: NodePoolTarget, node_count: int, *, timeout: timedelta) -> str:
        if self.died:
            return await self.inner.set_size(target, node_count, timeout=timeout)
        self.died = True
        if self.after:
            await self.inner.set_size(target, node_count, timeout=timeout)
        raise WorkerDied

    async def set_autoscaling(
        self, target: NodePoolTarget, min_node_count: int, max_node_count: int, *, timeout: timedelta
    ) -> str:
        return await self.inner.set_autoscaling(target, min_node_count, max_node_count, timeout=timeout)


class PausedReader:
    """Its first observation comes only when `go_on` is set: an attempt that hangs between intent and call."""

    def __init__(self, inner: NodePoolReader) -> None:
        self.inner, self.is_first = inner, True
        self.hangs, self.go_on = asyncio.Event(), asyncio.Event()

    async def observe(self, target: NodePoolTarget) -> NodePoolObservation:
        seen = await self.inner.observe(target)
        if self.is_first:
            self.is_first = False
            self.hangs.set()
            await self.go_on.wait()
        return seen

    async def list_node_pools(self, project: str, location: str, cluster: str) -> list[str]:
        return await self.inner.list_node_pools(project, location, cluster)

    async def list_operations(self, target: NodePoolTarget) -> list[ProviderOperation]:
        return await self.inner.list_operations(target)

    async def get_operation(self, target: NodePoolTarget, name: str) -> ProviderOperation:
        return await self.inner.get_operation(target, name)


async def dying_attempt(stack: EffectStack, proposal_id: str, step: Step = Step.FORWARD) -> None:
    with pytest.raises(WorkerDied):
        await stack.execute(proposal_id, step)


@pytest.mark.parametrize("after", [False, True])
async def test_a_death_around_the_call_leaves_exactly_one_effect(stack: EffectStack, after: bool) -> None:
    proposal_id = await stack.ready(resize(3))
    stack.effector = DyingEffector(stack.effector, after=after)
    await dying_attempt(stack, proposal_id)
    assert (await stack.intent(proposal_id)).operation is None
    assert (await stack.execute(proposal_id)).state is S.VERIFYING
    assert (await stack.verify(proposal_id)).state is S.SUCCEEDED
    assert stack.sizes_set() == [3]
    receipt = await stack.receipt(proposal_id)
    assert (receipt.outcome, receipt.adopted) == (ReceiptOutcome.APPLIED, after)


@pytest.mark.parametrize("after", [False, True])
async def test_a_death_on_the_way_back_leaves_exactly_one_compensation(
    stack: EffectStack, after: bool
) -> None:
    await stack.fleet.admin.add_fault("SetNodePoolSize", FaultKind.STOCKOUT)
    proposal_id = await stack.ready(resize(3))
    await stack.execute(proposal_id)
    stack.effector = DyingEffector(stack.effector, after=after)
    await dying_attempt(stack, proposal_id, Step.COMPENSATION)
    await stack.execute(proposal_id, Step.COMPENSATION)
    assert (await stack.verify(proposal_id, Step.COMPENSATION)).state is S.ROLLED_BACK
    assert stack.sizes_set() == [3, 2]


async def test_a_lost_call_that_a_lagging_clock_puts_before_its_intent_is_left_to_a_person(
    stack: EffectStack, migrated_database_url: str
) -> None:
    await set_clock(migrated_database_url, timedelta(seconds=10))
    proposal_id = await stack.ready(resize(3))
    stack.effector = DyingEffector(stack.effector, after=True)
    await dying_attempt(stack, proposal_id)
    outcome = await stack.execute(proposal_id)
    assert (outcome.state, outcome.reason_code) == (S.DIRTY, "operation_unclear")
    assert await told(stack, proposal_id) == ["operation_unclear"]
    assert stack.sizes_set() == [3]


async def test_a_successor_waits_out_the_call_deadline_of_the_dead(stack: EffectStack) -> None:
    proposal_id = await stack.ready(resize(3))
    stack.effector = DyingEffector(stack.effector, after=False)
    began = asyncio.get_running_loop().time()
    await dying_attempt(stack, proposal_id)
    await stack.execute(proposal_id)
    timings = stack.timings
    lasts = (timings.call_timeout + timings.call_margin).total_seconds()
    assert asyncio.get_running_loop().time() - began >= lasts - 0.1


async def taken_over(stack: EffectStack, proposal_id: str) -> None:
    """Wait until a second attempt has the fence."""

    async def has_a_higher_fence() -> bool:
        intent = await stack.intent(proposal_id)
        return intent is not None and intent.fence > 1

    await eventually(has_a_higher_fence)


async def test_a_zombie_with_a_lower_fence_is_refused(stack: EffectStack) -> None:
    proposal_id = await stack.ready(resize(3))
    reader = stack.reader
    stack.reader = paused = PausedReader(reader)
    zombie = asyncio.create_task(stack.execute(proposal_id))
    await paused.hangs.wait()
    stack.reader = reader
    successor = asyncio.create_task(stack.execute(proposal_id))
    await taken_over(stack, proposal_id)
    paused.go_on.set()
    with pytest.raises(ApplicationError) as refused:
        await zombie
    assert refused.value.type == "stale_fence"
    assert (await successor).state is S.VERIFYING
    assert stack.sizes_set() == [3]


async def test_a_zombie_that_finds_the_pool_changed_closes_nothing(stack: EffectStack) -> None:
    proposal_id = await stack.ready(resize(3))
    await stack.fleet.admin.change_pool("acme-prod/europe-west4/serving/web", node_count=5)
    reader = stack.reader
    stack.reader = paused = PausedReader(reader)
    zombie = asyncio.create_task(stack.execute(proposal_id))
    await paused.hangs.wait()
    await stack.fleet.admin.change_pool("acme-prod/europe-west4/serving/web", node_count=2)
    stack.reader = reader
    successor = asyncio.create_task(stack.execute(proposal_id))
    await taken_over(stack, proposal_id)
    paused.go_on.set()
    with pytest.raises(ApplicationError):
        await zombie
    assert (await stack.row(proposal_id)).state == S.EXECUTING
    assert (await successor).state is S.VERIFYING


async def test_an_attempt_that_slept_through_its_own_deadline_does_not_call(stack: EffectStack) -> None:
    proposal_id = await stack.ready(resize(3))
    stack.reader = paused = PausedReader(stack.reader)
    late = asyncio.create_task(stack.execute(proposal_id))
    await paused.hangs.wait()
    await asyncio.sleep(stack.timings.call_margin.total_seconds() + 0.2)
    paused.go_on.set()
    outcome = await late
    assert (outcome.state, outcome.reason_code) == (S.READY, "call_too_late")
    assert stack.sizes_set() == []


async def test_two_attempts_at_once_make_one_effect(stack: EffectStack) -> None:
    proposal_id = await stack.ready(resize(3))
    attempts = [stack.execute(proposal_id) for _ in range(3)]
    await asyncio.gather(*attempts, return_exceptions=True)
    await stack.execute(proposal_id)
    assert stack.sizes_set() == [3]
    assert (await stack.verify(proposal_id)).state is S.SUCCEEDED


async def dying_once_issued(stack: EffectStack, proposal_id: str) -> None:
    """An attempt whose worker dies when the operation is recorded."""
    first = asyncio.create_task(stack.execute(proposal_id))

    async def is_issued() -> bool:
        intent = await stack.intent(proposal_id)
        return intent is not None and intent.operation is not None

    await eventually(is_issued)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_a_worker_that_dies_while_the_operation_runs_is_followed_up(stack: EffectStack) -> None:
    await stack.fleet.admin.settings(operation=1.5)
    proposal_id = await stack.ready(resize(3))
    await dying_once_issued(stack, proposal_id)
    assert (await stack.execute(proposal_id)).state is S.VERIFYING
    assert stack.sizes_set() == [3]
    assert (await stack.receipt(proposal_id)).adopted


async def test_an_operation_is_given_no_more_time_when_the_clock_of_the_database_goes_back(
    stack: EffectStack,
) -> None:
    await stack.fleet.admin.add_fault("SetNodePoolSize", FaultKind.STUCK)
    proposal_id = await stack.ready(resize(3))
    await dying_once_issued(stack, proposal_id)
    async with stack.database.transaction() as connection:
        await connection.execute(text("UPDATE intents SET issued_at = issued_at + interval '1 hour'"))
    stack.timings = dataclasses.replace(stack.timings, operation_timeout=timedelta(seconds=1))
    async with asyncio.timeout(60):
        outcome = await stack.execute(proposal_id)
    assert (outcome.state, outcome.reason_code) == (S.ROLLING_BACK, "operation_timeout")


class SlowToConnect:
    """Sends only after a while, as a client does that must connect and authenticate first."""

    def __init__(self, inner: NodePoolEffector, delay: float) -> None:
        self.inner, self.delay = inner, delay

    async def set_size(self, target: NodePoolTarget, node_count: int, *, timeout: timedelta) -> str:
        await asyncio.sleep(self.delay)
        return await self.inner.set_size(target, node_count, timeout=timeout)

    async def set_autoscaling(
        self, target: NodePoolTarget, min_node_count: int, max_node_count: int, *, timeout: timedelta
    ) -> str:
        await asyncio.sleep(self.delay)
        return await self.inner.set_autoscaling(target, min_node_count, max_node_count, timeout=timeout)


async def test_nothing_goes_out_after_the_time_out_of_the_call(stack: EffectStack) -> None:
    proposal_id = await stack.ready(resize(3))
    effector = stack.effector
    stack.effector = SlowToConnect(effector, stack.timings.call_timeout.total_seconds() + 0.3)
    with pytest.raises(ApplicationError) as lost:
        await stack.execute(proposal_id)
    assert lost.value.type == "provider_ambiguous"
    await asyncio.sleep(0.5)
    assert stack.sizes_set() == []
    stack.effector = effector
    assert (await stack.execute(proposal_id)).state is S.VERIFYING


async def test_an_attempt_that_waited_too_long_for_the_database_does_not_call(stack: EffectStack) -> None:
    proposal_id = await stack.ready(resize(3))
    stack.reader = paused = PausedReader(stack.reader)
    late = asyncio.create_task(stack.execute(proposal_id))
    await paused.hangs.wait()
    async with stack.database.transaction() as connection:
        await connection.execute(text("LOCK TABLE intents IN ACCESS EXCLUSIVE MODE"))
        paused.go_on.set()
        await asyncio.sleep(stack.timings.call_margin.total_seconds() + 0.2)
    assert (await late).state is S.READY
    assert stack.sizes_set() == []
