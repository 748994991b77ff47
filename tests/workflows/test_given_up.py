"""What cannot go on, on a real Temporal server: no row that waits stays open for good, and no effect comes twice."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from temporalio import activity
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ApplicationError

from activities.approval.activities import ApprovalActivities
from activities.housekeeping.lost import LostProposals
from activities.housekeeping.overdue import OverdueProposals
from adapters.store import decisions
from adapters.temporal.gateway import TemporalGateway
from contracts.base import utc_now
from contracts.messages import WAKE_SIGNAL, Standing
from contracts.proposal import ProposalState
from settings import TemporalSettings
from tests.contracts.samples import BEN
from tests.proposal_stack import CONFIGURATION, ProposalStack, eventually
from tests.workflows.test_proposal import id_of

S = ProposalState
AT_ONCE = timedelta(0)


def breaks(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Let one activity fail for good, as one does that finds what cannot be."""

    @activity.defn(name=name)
    async def broken(_self: ApprovalActivities, _given: dict[str, Any]) -> None:
        raise ApplicationError("cannot be", type="illegal_transition", non_retryable=True)

    monkeypatch.setattr(ApprovalActivities, name, broken)


async def test_a_wait_that_cannot_go_on_closes_the_proposal_with_the_failures_code(
    stack: ProposalStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaks(monkeypatch, "read_state")
    async with stack.working():
        handle = await stack.propose()
        await stack.until(id_of(handle), S.AWAITING_APPROVAL)
        await handle.signal(WAKE_SIGNAL)
        closed = await handle.result()
    row = await stack.row(id_of(handle))
    assert (closed.state, closed.reason_code) == (S.EXPIRED, "illegal_transition")
    assert (row.state, row.reason_code) == (S.EXPIRED, "illegal_transition")
    assert stack.sizes_set() == []


async def test_what_a_failed_workflow_leaves_waiting_is_expired_by_housekeeping(
    stack: ProposalStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaks(monkeypatch, "close_proposal")
    async with stack.working():
        handle = await stack.propose(decide_by=utc_now() + timedelta(seconds=4))
        with pytest.raises(WorkflowFailureError):
            await handle.result()
    assert (await stack.row(id_of(handle))).state == S.AWAITING_APPROVAL
    assert await OverdueProposals(stack.database, CONFIGURATION).expire() == 0
    sweep = OverdueProposals(stack.database, CONFIGURATION, grace=AT_ONCE)
    assert [await sweep.expire(), await sweep.expire()] == [1, 0]
    row = await stack.row(id_of(handle))
    assert (row.state, row.reason_code) == (S.EXPIRED, "decide_by_passed")


async def test_a_terminated_workflow_leaves_nothing_open_past_its_time(stack: ProposalStack) -> None:
    async with stack.working():
        waiting = await stack.propose(decide_by=utc_now() + timedelta(seconds=30))
        await stack.until(id_of(waiting), S.AWAITING_APPROVAL)
        await waiting.terminate("by an operator of Temporal")
    sweep = OverdueProposals(stack.database, CONFIGURATION, grace=timedelta(seconds=-60))
    signed = await stack.signed(id_of(waiting), BEN)
    await stack.record(signed)
    assert await sweep.expire() == 0
    async with stack.database.transaction() as connection:
        await decisions.refuse(connection, signed.decision.id, "proposal_closed", BEN)
    assert await sweep.expire() == 1
    assert (await stack.row(id_of(waiting))).state == S.EXPIRED


async def test_an_effect_whose_workflow_was_terminated_goes_on_once_that_is_reset(
    stack: ProposalStack,
) -> None:
    await stack.fleet.admin.settings(pending=0.0, operation=600.0)
    async with stack.working():
        handle = await stack.propose()
        await stack.until(id_of(handle), S.AWAITING_APPROVAL)
        await stack.decide(id_of(handle))
        operation: str = await eventually(operation_of(stack, id_of(handle)))
        await handle.terminate("by mistake")
        await to_its_last_task(stack, handle)
        await stack.fleet.admin.finish_operation(operation)
        closed = await stack.client.get_workflow_handle(handle.id, result_type=Standing).result()
    assert closed.state is S.SUCCEEDED
    assert stack.sizes_set() == [3]


async def test_an_effect_whose_workflow_was_terminated_for_good_is_left_to_a_person(
    stack: ProposalStack,
) -> None:
    host, namespace = stack.client.service_client.config.target_host, stack.client.namespace
    gateway = TemporalGateway(TemporalSettings(address=host, namespace=namespace))
    sweep = LostProposals(stack.database, CONFIGURATION, gateway.is_running, grace=AT_ONCE)
    await stack.fleet.admin.settings(pending=0.0, operation=600.0)
    async with stack.working():
        handle = await stack.propose()
        await stack.until(id_of(handle), S.AWAITING_APPROVAL)
        await stack.decide(id_of(handle))
        operation: str = await eventually(operation_of(stack, id_of(handle)))
        assert await sweep.hand_over() == 0
        await handle.terminate("by an operator of Temporal")
        assert await sweep.hand_over() == 1
        await stack.fleet.admin.finish_operation(operation)
    row = await stack.row(id_of(handle))
    assert (row.state, row.reason_code) == (S.DIRTY, "workflow_lost")
    assert await stack.lease_owner() == id_of(handle)
    assert stack.sizes_set() == [3]


def operation_of(stack: ProposalStack, proposal_id: str) -> Callable[[], Awaitable[Any]]:
    async def known() -> Any:
        intent = await stack.intent(proposal_id)
        return intent and intent.operation

    return known


async def to_its_last_task(stack: ProposalStack, handle: WorkflowHandle[Any, Any]) -> None:
    """What `temporal workflow reset --type LastWorkflowTask` does."""
    history = await handle.fetch_history()
    done = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
    request = ResetWorkflowExecutionRequest(
        namespace=stack.client.namespace,
        workflow_execution=WorkflowExecution(workflow_id=handle.id),
        reason="terminated by mistake",
        workflow_task_finish_event_id=max(one.event_id for one in history.events if one.event_type == done),
        request_id=handle.id,
    )
    await stack.client.workflow_service.reset_workflow_execution(request)
