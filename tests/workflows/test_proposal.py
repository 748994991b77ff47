"""ProposalWorkflow, end to end on real parts: each way a proposal can go, and what each costs."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from temporalio.client import Client, WorkflowHandle, WorkflowUpdateFailedError
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.exceptions import ApplicationError

from adapters.dispatch.dispatcher import Dispatcher
from adapters.dispatch.loops import background_loops
from adapters.dispatch.workflows import WorkflowDeliveries
from adapters.store import cancellation, halts, proposals
from adapters.store.sequencer import Sequencer
from adapters.temporal.gateway import TemporalGateway
from contracts.base import utc_now
from contracts.decision import DecisionKind
from contracts.errors import PolicyUnavailable
from contracts.messages import WAKE_SIGNAL, DecisionInput, Standing
from contracts.proposal import ProposalState
from emulators.gke.faults import FaultKind
from settings import TemporalSettings
from tests.adapters.dispatch.running import QUICK, running
from tests.adapters.store.test_sequencer import SIGNER
from tests.contracts.samples import ANA, BEN
from tests.history_cost import Cost, cost_of
from tests.proposal_stack import CAROL, ProposalStack, eventually, resize

S = ProposalState


def id_of(handle: WorkflowHandle[object, Standing]) -> str:
    return handle.id.removeprefix("proposal/")


async def second_process(stack: ProposalStack) -> ProposalStack:
    """A worker with a connection of its own, as another process has."""
    config = stack.client.service_client.config
    client = await Client.connect(
        config.target_host, namespace=stack.client.namespace, data_converter=pydantic_data_converter
    )
    return dataclasses.replace(stack, client=client)


async def test_an_approved_proposal_changes_the_pool_once_within_its_budget_of_cost(
    stack: ProposalStack,
) -> None:
    async with stack.working():
        handle = await stack.propose(resize(3))
        await stack.until(id_of(handle), S.AWAITING_APPROVAL)
        result = await stack.decide(id_of(handle), BEN)
        closed = await handle.result()
    assert (result.state, result.approvals, result.quorum) == ("ready", 1, 1)
    assert closed.state is S.SUCCEEDED
    assert stack.sizes_set() == [3]
    cost = await cost_of(handle)
    assert cost.events <= 30
    assert cost.actions <= 7


async def test_what_nobody_must_approve_costs_less(stack: ProposalStack) -> None:
    stack.guard.quorums = [0]
    async with stack.working():
        handle = await stack.propose(resize(3))
        assert (await handle.result()).state is S.SUCCEEDED
    assert await cost_of(handle) == Cost(events=13, actions=3)


async def test_a_stock_out_is_rolled_back_and_its_cost_is_known(stack: ProposalStack) -> None:
    await stack.fleet.admin.add_fault("SetNodePoolSize", FaultKind.STOCKOUT, node_pool="web")
    async with stack.working():
        handle = await stack.propose(resize(3))
        await stack.until(id_of(handle), S.AWAITING_APPROVAL)
        await stack.decide(id_of(handle), BEN)
        assert (await handle.result()).state is S.ROLLED_BACK
    assert stack.sizes_set() == [3, 2]
    assert await cost_of(handle) == Cost(events=27, actions=7)


async def test_a_denied_proposal_ends_without_an_effect(stack: ProposalStack) -> None:
    stack.guard.denied = True
    async with stack.working():
        handle = await stack.propose()
        closed = await handle.result()
    assert (closed.state, closed.reason_code) == (S.DENIED, "denied_by_test")
    assert stack.sizes_set() == []


async def test_a_guard_pass_that_fails_for_good_denies(stack: ProposalStack) -> None:
    stack.guard.fails = [PolicyUnavailable("no answer")]
    async with stack.working():
        handle = await stack.propose()
        closed = await handle.result()
    assert (closed.state, closed.reason_code) == (S.DENIED, "policy_unavailable")
    assert (await stack.row(id_of(handle))).state == S.DENIED


async def test_a_rejection_ends_it(stack: ProposalStack) -> None:
    async with stack.working():
        handle = await stack.propose()
        await stack.until(id_of(handle), S.AWAITING_APPROVAL)
        result = await stack.decide(id_of(handle), BEN, DecisionKind.REJECT)
        assert (await handle.result()).state is S.REJECTED
    assert result.state == "rejected"
    assert stack.sizes_set() == []


async def test_nobody_deciding_in_time_rejects(stack: ProposalStack) -> None:
    async with stack.working():
        handle = await stack.propose(decide_by=utc_now() + timedelta(seconds=4))
        closed = await handle.result()
    assert (closed.state, closed.reason_code) == (S.EXPIRED, "decide_by_passed")


async def test_a_decision_accepted_in_time_wins_although_it_is_applied_late(stack: ProposalStack) -> None:
    decide_by = utc_now() + timedelta(seconds=8)
    async with stack.working():
        handle = await stack.propose(decide_by=decide_by)
        await stack.until(id_of(handle), S.AWAITING_APPROVAL)
        signed = await stack.signed(id_of(handle))
        await stack.record(signed)
        async with stack.database.transaction() as connection:
            await proposals.lock(connection, id_of(handle))
            sent = asyncio.create_task(stack.send(signed))
            await asyncio.sleep((decide_by - utc_now()).total_seconds() + 0.5)
            assert not sent.done()
        assert (await sent).state == "ready"
        assert (await handle.result()).state is S.SUCCEEDED


async def test_an_applied_decision_wins_although_its_result_was_lost_with_a_worker(
    stack: ProposalStack,
) -> None:
    async with stack.working():
        handle = await stack.propose(decide_by=utc_now() + timedelta(seconds=8))
        await stack.until(id_of(handle), S.AWAITING_APPROVAL)
        signed = await stack.signed(id_of(handle))
        await stack.record(signed)
        # The transaction is committed; the workflow never hears of it.
        await stack.approval.record_decision(DecisionInput(signed=signed))
        assert (await handle.result()).state is S.SUCCEEDED


async def test_two_people_are_needed_where_two_are_asked_for(stack: ProposalStack) -> None:
    stack.guard.quorums = [2]
    async with stack.working():
        handle = await stack.propose()
        await stack.until(id_of(handle), S.AWAITING_APPROVAL)
        first = await stack.decide(id_of(handle), BEN)
        assert (first.state, first.approvals, first.quorum) == ("awaiting_approval", 1, 2)
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await stack.decide(id_of(handle), BEN)
        assert isinstance(refused.value.cause, ApplicationError)
        assert refused.value.cause.type == "already_voted"
        assert stack.sizes_set() == []
        assert (await stack.decide(id_of(handle), CAROL)).state == "ready"
        assert (await handle.result()).state is S.SUCCEEDED


async def test_the_same_decision_delivered_twice_is_one_vote_and_one_answer(stack: ProposalStack) -> None:
    stack.guard.quorums = [2]
    async with stack.working():
        handle = await stack.propose()
        await stack.until(id_of(handle), S.AWAITING_APPROVAL)
        signed = await stack.signed(id_of(handle))
        await stack.record(signed)
        assert await stack.send(signed) == await stack.send(signed)
        await handle.signal("decide_later", signed)
        await stack.decide(id_of(handle), CAROL)
        await handle.result()
    refused = [one for one in await stack.audit(id_of(handle)) if one["type"] == "decision.refused"]
    assert refused == []


async def test_a_request_for_change_voids_the_votes_before_it(stack: ProposalStack) -> None:
    stack.guard.quorums = [2]
    async with stack.working():
        handle = await stack.propose()
        await stack.until(id_of(handle), S.AWAITING_APPROVAL)
        await stack.decide(id_of(handle), BEN)
        asked = await stack.decide(id_of(handle), CAROL, DecisionKind.REQUEST_CHANGE)
        assert (asked.state, asked.approvals) == ("awaiting_approval", 0)
        assert (await stack.decide(id_of(handle), BEN)).approvals == 1
        await handle.terminate()
    assert [one["type"] for one in await stack.audit(id_of(handle))].count("decision.voided") == 1


async def test_a_stricter_second_pass_asks_for_more_and_keeps_the_votes(stack: ProposalStack) -> None:
    stack.guard.quorums = [1, 2]
    async with stack.working():
        handle = await stack.propose()
        await stack.until(id_of(handle), S.AWAITING_APPROVAL)
        await stack.decide(id_of(handle), BEN)
        await asyncio.sleep(0.5)
        await stack.until(id_of(handle), S.AWAITING_APPROVAL)
        second = await stack.decide(id_of(handle), CAROL)
        assert (second.approvals, second.quorum) == (2, 2)
        assert (await handle.result()).state is S.SUCCEEDED
    assert stack.sizes_set() == [3]


async def test_a_held_proposal_goes_on_when_it_is_woken(stack: ProposalStack) -> None:
    stack.guard.quorums, stack.guard.holds = [0], 1
    async with stack.working():
        handle = await stack.propose()

        async def held() -> bool:
            return (await stack.row(id_of(handle))).held_on is not None

        await eventually(held)
        await handle.signal(WAKE_SIGNAL)
        assert (await handle.result()).state is S.SUCCEEDED


async def test_a_hold_that_lasts_too_long_expires(stack: ProposalStack) -> None:
    stack.guard.quorums, stack.guard.holds = [0], 1_000
    now = utc_now()
    async with stack.working():
        handle = await stack.propose(
            decide_by=now + timedelta(seconds=5), execute_by=now + timedelta(seconds=6)
        )
        closed = await handle.result()
    assert (closed.state, closed.reason_code) == (S.EXPIRED, "execute_by_passed")
    assert stack.sizes_set() == []


async def test_a_cancelled_proposal_ends_when_it_is_woken(stack: ProposalStack) -> None:
    async with stack.working():
        handle = await stack.propose()
        await stack.until(id_of(handle), S.AWAITING_APPROVAL)
        async with stack.database.transaction() as connection:
            await cancellation.cancel(connection, id_of(handle), ANA, "cancelled_by_requester")
        await handle.signal(WAKE_SIGNAL)
        closed = await handle.result()
    assert (closed.state, closed.reason_code) == (S.CANCELLED, "cancelled_by_requester")


async def test_waking_a_proposal_that_still_waits_changes_nothing(stack: ProposalStack) -> None:
    async with stack.working():
        handle = await stack.propose()
        await stack.until(id_of(handle), S.AWAITING_APPROVAL)
        await handle.signal(WAKE_SIGNAL)
        await asyncio.sleep(0.3)
        await stack.decide(id_of(handle))
        assert (await handle.result()).state is S.SUCCEEDED


async def test_cancelling_through_temporal_alone_changes_nothing(stack: ProposalStack) -> None:
    async with stack.working():
        handle = await stack.propose()
        await stack.until(id_of(handle), S.AWAITING_APPROVAL)
        await handle.cancel()
        await asyncio.sleep(0.3)
        assert (await stack.row(id_of(handle))).state == S.AWAITING_APPROVAL
        await stack.decide(id_of(handle))
        assert (await handle.result()).state is S.SUCCEEDED


async def test_the_temporal_ui_shows_the_stage(stack: ProposalStack) -> None:
    async with stack.working():
        handle = await stack.propose()
        await stack.until(id_of(handle), S.AWAITING_APPROVAL)
        await asyncio.sleep(0.3)
        metadata = await handle.query("__temporal_workflow_metadata")
        assert "awaiting_approval" in str(metadata)
        await handle.terminate()


@asynccontextmanager
async def delivering(stack: ProposalStack) -> AsyncIterator[None]:
    """Deliver what is promised, as the API's background does: who waits for a lease is woken when it is free."""
    address, namespace = stack.client.service_client.config.target_host, stack.client.namespace
    gateway = TemporalGateway(TemporalSettings(address=address, namespace=namespace))
    deliveries = WorkflowDeliveries(stack.database, gateway, stack.public_keys).by_kind()
    dispatchers = (Dispatcher(stack.database, deliveries, QUICK),)
    async with running(
        *background_loops(stack.database, Sequencer(stack.database, SIGNER), dispatchers, halts.settle)
    ):
        yield


async def test_two_workers_side_by_side_take_one_effect_each_proposal(stack: ProposalStack) -> None:
    stack.guard.quorums = [0]
    async with delivering(stack), stack.working(), (await second_process(stack)).working():
        handles = [await stack.propose(resize(3 + n)) for n in range(3)]
        pools = [await handle.result() for handle in handles]
    assert {one.state for one in pools} <= {S.SUCCEEDED, S.STALE}
    succeeded = sum(one.state is S.SUCCEEDED for one in pools)
    assert len(stack.sizes_set()) == succeeded >= 1
