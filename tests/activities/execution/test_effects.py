"""One effect, whatever the provider does: judged by the emulator's own log."""

from __future__ import annotations

import asyncio
import dataclasses
from datetime import timedelta

import pytest
from sqlalchemy import select
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from adapters.store.schema import breakers, outbox
from contracts.action import SetNodePoolAutoscaling
from contracts.effect import EffectResult, ReceiptOutcome, Step
from contracts.messages import EffectInput
from contracts.proposal import ProposalState
from emulators.gke.faults import FaultKind
from tests.proposal_stack import SERVING, EffectStack, resize

S = ProposalState
WEB = "acme-prod/europe-west4/serving/web"
CLUSTER = "acme-prod/europe-west4/serving"
BACK = Step.COMPENSATION


async def fault(stack: EffectStack, kind: FaultKind, **fields: object) -> None:
    await stack.fleet.admin.add_fault("SetNodePoolSize", kind, **fields)


def out_of_time(stack: EffectStack, seconds: float = 0) -> EffectStack:
    """The same, where an operation has only so long since it began."""
    timings = dataclasses.replace(stack.timings, operation_timeout=timedelta(seconds=seconds))
    return dataclasses.replace(stack, timings=timings)


async def failing_attempt(stack: EffectStack, proposal_id: str, step: Step = Step.FORWARD) -> str | None:
    with pytest.raises(ApplicationError) as failed:
        await stack.execute(proposal_id, step)
    assert not failed.value.non_retryable
    return failed.value.type


async def test_an_effect_is_taken_once_and_a_repetition_takes_none(stack: EffectStack) -> None:
    proposal_id = await stack.ready(resize(3))
    first = await stack.execute(proposal_id)
    assert (first.result, first.state) == (EffectResult.ISSUED, S.VERIFYING)
    assert (await stack.execute(proposal_id)).result is EffectResult.ISSUED
    assert (await stack.verify(proposal_id)).state is S.SUCCEEDED
    assert (await stack.verify(proposal_id)).state is S.SUCCEEDED
    assert (await stack.execute(proposal_id)).result is EffectResult.CLOSED
    assert stack.sizes_set() == [3]
    assert await stack.lease_owner() is None
    receipt = await stack.receipt(proposal_id)
    assert (receipt.outcome, receipt.adopted, receipt.mode) == (ReceiptOutcome.APPLIED, False, "practice")
    wanted = ["lease.taken", "intent.written", "effect.issued", "receipt.written", "verification.recorded"]
    types = [event["type"] for event in await stack.audit(proposal_id)]
    assert [kind for kind in types if kind in wanted] == wanted


async def test_an_attempt_at_another_revision_than_the_present_one_makes_no_call(stack: EffectStack) -> None:
    proposal_id = await stack.ready(resize(3))
    given = EffectInput(proposal_id=proposal_id, revision=2, step=Step.FORWARD, pass_number=2)
    outcome = await ActivityEnvironment().run(stack.effects.execute_action, given)
    assert (outcome.result, outcome.state) == (EffectResult.NEEDS_NEW_PASS, S.READY)
    assert stack.sizes_set() == []


async def test_a_time_out_after_the_effect_is_adopted_and_not_repeated(stack: EffectStack) -> None:
    await fault(stack, FaultKind.TIMEOUT_AFTER_EFFECT, delay=5)
    proposal_id = await stack.ready(resize(3))
    assert await failing_attempt(stack, proposal_id) == "provider_ambiguous"
    assert (await stack.execute(proposal_id)).state is S.VERIFYING
    assert stack.sizes_set() == [3]
    assert (await stack.receipt(proposal_id)).adopted


async def test_a_time_out_before_the_effect_is_called_again(stack: EffectStack) -> None:
    await fault(stack, FaultKind.TIMEOUT_BEFORE_EFFECT, delay=5)
    proposal_id = await stack.ready(resize(3))
    assert await failing_attempt(stack, proposal_id) == "provider_ambiguous"
    assert (await stack.execute(proposal_id)).state is S.VERIFYING
    assert stack.sizes_set() == [3]
    assert not (await stack.receipt(proposal_id)).adopted


async def test_an_operation_of_another_effect_of_ours_is_never_adopted(stack: EffectStack) -> None:
    before = await stack.ready(resize(3))
    await stack.execute(before)
    await stack.verify(before)
    proposal_id = await stack.ready(resize(4))
    await fault(stack, FaultKind.TIMEOUT_BEFORE_EFFECT, delay=5)
    await failing_attempt(stack, proposal_id)
    await stack.execute(proposal_id)
    assert stack.sizes_set() == [3, 4]
    assert (await stack.verify(proposal_id)).state is S.SUCCEEDED


async def test_what_is_as_desired_already_needs_no_call(stack: EffectStack) -> None:
    proposal_id = await stack.ready(resize(3))
    await stack.fleet.admin.change_pool(WEB, node_count=3)
    assert (await stack.execute(proposal_id)).state is S.VERIFYING
    assert (await stack.verify(proposal_id)).state is S.SUCCEEDED
    assert stack.sizes_set() == []
    assert (await stack.receipt(proposal_id)).outcome is ReceiptOutcome.NO_OP


async def test_a_pool_that_somebody_changed_makes_the_proposal_stale(stack: EffectStack) -> None:
    proposal_id = await stack.ready(resize(3))
    await stack.fleet.admin.change_pool(WEB, node_count=5)
    outcome = await stack.execute(proposal_id)
    assert (outcome.result, outcome.state) == (EffectResult.CLOSED, S.STALE)
    assert stack.sizes_set() == []
    assert await stack.lease_owner() is None


async def test_uneven_sizes_that_changed_in_one_zone_are_stale(stack: EffectStack) -> None:
    proposal_id = await stack.ready(resize(3))
    await stack.fleet.admin.change_pool(WEB, zones={"europe-west4-b": 1})
    assert (await stack.execute(proposal_id)).state is S.STALE


async def test_a_foreign_operation_is_waited_for_and_then_a_new_pass_is_needed(stack: EffectStack) -> None:
    proposal_id = await stack.ready(resize(3))
    name = await stack.fleet.admin.start_operation(CLUSTER)
    attempt = asyncio.create_task(stack.execute(proposal_id))
    await asyncio.sleep(0.5)
    assert not attempt.done()
    await stack.fleet.admin.finish_operation(name)
    outcome = await attempt
    assert (outcome.result, outcome.state) == (EffectResult.NEEDS_NEW_PASS, S.READY)
    assert outcome.reason_code == "foreign_operation"
    assert await stack.lease_owner() is None
    await stack.admit(proposal_id, 3)
    assert (await stack.execute(proposal_id, pass_number=3)).state is S.VERIFYING
    assert stack.sizes_set() == [3]


async def test_a_conflict_at_the_call_is_a_foreign_operation(stack: EffectStack) -> None:
    await fault(stack, FaultKind.CONFLICT)
    proposal_id = await stack.ready(resize(3))
    assert (await stack.execute(proposal_id)).result is EffectResult.NEEDS_NEW_PASS
    assert stack.sizes_set() == []


async def test_an_unreachable_provider_is_asked_again_without_waiting(stack: EffectStack) -> None:
    await fault(stack, FaultKind.TOO_MANY_OPERATIONS)
    proposal_id = await stack.ready(resize(3))
    assert await failing_attempt(stack, proposal_id) == "provider_unavailable"
    began = asyncio.get_running_loop().time()
    assert (await stack.execute(proposal_id)).state is S.VERIFYING
    assert asyncio.get_running_loop().time() - began < 2
    assert stack.sizes_set() == [3]


@pytest.mark.parametrize("kind", [FaultKind.QUOTA, FaultKind.PERMISSION])
async def test_a_refused_call_fails_and_counts_against_the_breaker(
    stack: EffectStack, kind: FaultKind
) -> None:
    await fault(stack, kind)
    proposal_id = await stack.ready(resize(3))
    outcome = await stack.execute(proposal_id)
    assert (outcome.result, outcome.state) == (EffectResult.CLOSED, S.FAILED)
    assert (await stack.receipt(proposal_id)).outcome is ReceiptOutcome.REFUSED
    assert await stack.lease_owner() is None
    async with stack.database.reading() as connection:
        counts = (await connection.execute(select(breakers.c.consecutive_failures))).scalars().all()
    assert counts == [1, 1]


async def test_each_answer_that_never_came_counts_against_the_provider_until_an_effect_succeeds(
    stack: EffectStack,
) -> None:
    async def counted() -> list[tuple[str, int]]:
        wanted = select(breakers.c.id, breakers.c.consecutive_failures)
        async with stack.database.reading() as connection:
            return [tuple(row) for row in await connection.execute(wanted)]

    await fault(stack, FaultKind.TIMEOUT_AFTER_EFFECT, delay=5)
    proposal_id = await stack.ready(resize(3))
    assert await failing_attempt(stack, proposal_id) == "provider_ambiguous"
    assert await counted() == [("provider:gke", 1)]
    await stack.execute(proposal_id)
    assert (await stack.verify(proposal_id)).state is S.SUCCEEDED
    assert await counted() == [("provider:gke", 0)]


async def test_a_stock_out_is_resized_back_and_verified(stack: EffectStack) -> None:
    await fault(stack, FaultKind.STOCKOUT)
    proposal_id = await stack.ready(resize(3))
    outcome = await stack.execute(proposal_id)
    assert (outcome.result, outcome.state) == (EffectResult.ROLL_BACK, S.ROLLING_BACK)
    assert (await stack.execute(proposal_id, BACK)).state is S.ROLLING_BACK
    assert (await stack.execute(proposal_id, BACK)).result is EffectResult.ISSUED
    assert (await stack.verify(proposal_id, BACK)).state is S.ROLLED_BACK
    assert stack.sizes_set() == [3, 2]
    assert await stack.lease_owner() is None


async def test_a_silent_shortage_is_found_by_looking_at_what_runs(stack: EffectStack) -> None:
    await fault(stack, FaultKind.PARTIAL)
    proposal_id = await stack.ready(resize(3))
    assert (await stack.execute(proposal_id)).state is S.VERIFYING
    verified = await out_of_time(stack).verify(proposal_id)
    assert (verified.state, verified.reason_code) == (S.ROLLING_BACK, "nodes_not_running")
    await stack.execute(proposal_id, BACK)
    assert (await stack.verify(proposal_id, BACK)).state is S.ROLLED_BACK


async def test_what_no_single_call_restores_is_dirty_and_keeps_its_lease(stack: EffectStack) -> None:
    await fault(stack, FaultKind.STOCKOUT)
    proposal_id = await stack.ready(resize(4, "uneven"))
    outcome = await stack.execute(proposal_id)
    assert (outcome.result, outcome.state) == (EffectResult.CLOSED, S.DIRTY)
    assert await stack.lease_owner() == proposal_id
    assert stack.sizes_set() == [4]
    async with stack.database.reading() as connection:
        told = (await connection.execute(select(outbox.c.payload).where(outbox.c.kind == "notify"))).scalars()
        assert [one["event"] for one in told] == ["dirty"]


async def test_an_operation_that_never_ends_is_taken_back_when_it_does(stack: EffectStack) -> None:
    await fault(stack, FaultKind.STUCK)
    proposal_id = await stack.ready(resize(3))
    outcome = await out_of_time(stack, 1.5).execute(proposal_id)
    assert (outcome.state, outcome.reason_code) == (S.ROLLING_BACK, "operation_timeout")
    undoing = asyncio.create_task(stack.execute(proposal_id, BACK))
    await asyncio.sleep(0.3)
    await stack.fleet.admin.finish_operation((await stack.receipt(proposal_id)).operation or "")
    assert (await undoing).state is S.ROLLING_BACK
    assert (await stack.verify(proposal_id, BACK)).state is S.ROLLED_BACK


async def test_a_cluster_that_stays_busy_leaves_the_way_back_to_a_person(stack: EffectStack) -> None:
    stack.timings = dataclasses.replace(stack.timings, operation_timeout=timedelta(seconds=1))
    await fault(stack, FaultKind.STUCK)
    proposal_id = await stack.ready(resize(3))
    await stack.execute(proposal_id)
    outcome = await stack.execute(proposal_id, BACK)
    assert (outcome.state, outcome.reason_code) == (S.DIRTY, "target_stayed_busy")
    assert stack.sizes_set() == [3]


async def test_what_others_changed_since_is_not_overwritten_by_the_way_back(stack: EffectStack) -> None:
    await fault(stack, FaultKind.OPERATION_ERROR)
    proposal_id = await stack.ready(resize(3))
    await stack.execute(proposal_id)
    await stack.fleet.admin.change_pool(WEB, node_count=7)
    outcome = await stack.execute(proposal_id, BACK)
    assert (outcome.state, outcome.reason_code) == (S.DIRTY, "changed_by_others")
    assert stack.sizes_set() == [3]


async def test_autoscaling_bounds_are_set_and_their_floor_is_verified(stack: EffectStack) -> None:
    bounds = SetNodePoolAutoscaling(
        **SERVING, node_pool="batch-autoscaled", min_node_count=2, max_node_count=4
    )
    proposal_id = await stack.ready(bounds)
    assert (await stack.execute(proposal_id)).state is S.VERIFYING
    assert (await stack.verify(proposal_id)).state is S.SUCCEEDED
    assert len(stack.fleet.calls().accepted("SetNodePoolAutoscaling")) == 1


async def test_bounds_whose_floor_does_not_come_are_set_back(stack: EffectStack) -> None:
    pool = "acme-prod/europe-west4/serving/batch-autoscaled"
    await stack.fleet.admin.change_pool(pool, stock={"europe-west4-a": 1})
    bounds = SetNodePoolAutoscaling(
        **SERVING, node_pool="batch-autoscaled", min_node_count=3, max_node_count=4
    )
    proposal_id = await stack.ready(bounds)
    await stack.execute(proposal_id)
    verified = await out_of_time(stack).verify(proposal_id)
    assert (verified.state, verified.reason_code) == (S.ROLLING_BACK, "floor_not_applied")
    await stack.execute(proposal_id, BACK)
    assert (await stack.verify(proposal_id, BACK)).state is S.ROLLED_BACK
    sent = [call.request for call in stack.fleet.calls().accepted("SetNodePoolAutoscaling")]
    assert len(sent) == 2


async def test_a_deleted_pool_makes_the_proposal_stale(stack: EffectStack) -> None:
    await stack.fleet.admin.add_fault("GetNodePool", FaultKind.NOT_FOUND, skip=2, times=-1)
    proposal_id = await stack.ready(resize(3))
    outcome = await stack.execute(proposal_id)
    assert (outcome.state, outcome.reason_code) == (S.STALE, "target_not_found")


async def test_an_operation_that_nobody_may_look_at_any_more_is_left_to_a_person(stack: EffectStack) -> None:
    await stack.fleet.admin.add_fault("GetOperation", FaultKind.PERMISSION, times=-1)
    proposal_id = await stack.ready(resize(3))
    assert await failing_attempt(stack, proposal_id) == "provider_permission_denied"
    outcome = await out_of_time(stack).execute(proposal_id)
    assert (outcome.state, outcome.reason_code) == (S.DIRTY, "provider_permission_denied")
    assert stack.sizes_set() == [3]
    assert await stack.lease_owner() == proposal_id
