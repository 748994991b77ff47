from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import grpc
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from temporalio import workflow
from temporalio.client import Client
from temporalio.common import SearchAttributeKey
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from adapters.store.database import Database, NetworkInsideTransaction
from adapters.temporal.gateway import TemporalGateway
from adapters.temporal.search_attributes import register
from contracts.base import new_id
from contracts.decision import Decision, DecisionKind, DecisionResult, SignedDecision
from contracts.errors import DecisionNotAccepted, WorkflowUnavailable
from contracts.messages import (
    QUEUE_MAIN,
    ProposalInput,
    RequestInput,
    proposal_workflow_id,
    request_workflow_id,
)
from contracts.request import Channel
from contracts.signature import sign
from settings import TemporalSettings
from tests.adapters.store.samples import draft_of, fresh_proposal, request
from tests.contracts.samples import BEN

KEY = Ed25519PrivateKey.generate()


@workflow.defn(name="ProposalWorkflow")
class Waiting:
    """Stands in for the real one: refuses revision 2, hangs on 3, ends while it answers 4, else counts."""

    def __init__(self) -> None:
        self.applied: list[str] = []
        self.woken = 0
        self.closing = False

    @workflow.run
    async def run(self, start: ProposalInput) -> int:
        await workflow.wait_condition(lambda: self.woken > 1 or self.closing)
        return len(self.applied)

    @workflow.update(name="decide")
    async def decide(self, signed: SignedDecision) -> DecisionResult:
        if signed.decision.revision == 3:
            await workflow.wait_condition(lambda: False)
        if signed.decision.revision == 4:
            self.closing = True
            await workflow.wait_condition(lambda: False)
        self.applied.append(signed.decision.id)
        return DecisionResult(
            decision_id=signed.decision.id, state="ready", approvals=len(self.applied), quorum=1
        )

    @decide.validator
    def check(self, signed: SignedDecision) -> None:
        if signed.decision.revision == 2:
            raise ApplicationError("refused", type="stale_revision", non_retryable=True)

    @workflow.signal(name="wake")
    def wake(self) -> None:
        self.woken += 1


@workflow.defn(name="RequestWorkflow")
class Asking:
    @workflow.run
    async def run(self, start: RequestInput) -> str:
        return start.request.id


@pytest.fixture
async def client(temporal_address: str) -> AsyncIterator[Client]:
    connected = await Client.connect(temporal_address, data_converter=pydantic_data_converter)
    worker = Worker(
        connected,
        task_queue=QUEUE_MAIN,
        workflows=[Waiting, Asking],
        workflow_runner=UnsandboxedWorkflowRunner(),
    )
    async with worker:
        yield connected
        # The server outlives this test: nothing of ours may be left for the next worker on this queue.
        async for left in connected.list_workflows("ExecutionStatus = 'Running'"):
            try:
                await connected.get_workflow_handle(left.id).terminate()
            except RPCError as error:
                # The list lags behind: it may have ended since.
                if error.status is not RPCStatusCode.NOT_FOUND:
                    raise


@pytest.fixture
def gateway(temporal_address: str) -> TemporalGateway:
    return TemporalGateway(TemporalSettings(address=temporal_address))


def proposal_input() -> ProposalInput:
    return ProposalInput.for_draft(draft_of(fresh_proposal()), {"k": "v"})


def signed(proposal_id: str, revision: int = 1) -> SignedDecision:
    decision = Decision(
        id=new_id("dec"),
        tenant="default",
        proposal_id=proposal_id,
        revision=revision,
        kind=DecisionKind.APPROVE,
        reviewer=BEN,
        proposal_digest="sha256:1",
        evaluation_digest="sha256:2",
        at=fresh_proposal().created_at,
        key_id="k",
    )
    return sign(decision, KEY)


async def test_a_second_start_changes_nothing_while_it_runs_and_after_it_ended(
    client: Client, gateway: TemporalGateway
) -> None:
    start = proposal_input()
    await asyncio.gather(*(gateway.start_proposal(start) for _ in range(3)))
    handle = client.get_workflow_handle(proposal_workflow_id(start.proposal_id))
    seen = await handle.describe()
    keyword = SearchAttributeKey.for_keyword
    assert seen.typed_search_attributes.get(keyword("SluiceTarget")) == start.target_key
    assert seen.typed_search_attributes.get(keyword("SluiceRequester")) == "local/ana"
    assert await seen.static_summary() == "resize acme-prod/serving/inference to 4 per zone"
    await gateway.wake(start.proposal_id)
    await gateway.wake(start.proposal_id)
    await handle.result()
    await gateway.start_proposal(start)
    await gateway.wake(start.proposal_id)
    assert (await handle.describe()).run_id == seen.run_id


async def test_a_request_is_started_under_its_id(client: Client, gateway: TemporalGateway) -> None:
    start = RequestInput(request=request(), public_keys={})
    await gateway.start_request(start)
    await gateway.start_request(start)
    handle = client.get_workflow_handle(request_workflow_id(start.request.id))
    assert await handle.result() == start.request.id


async def test_a_workflow_runs_until_it_is_over(client: Client, gateway: TemporalGateway) -> None:
    start = RequestInput(request=request(), public_keys={})
    workflow_id = request_workflow_id(start.request.id)
    assert not await gateway.is_running(workflow_id), "it has not begun"
    terminated = await client.start_workflow(
        "RequestWorkflow", start, id=workflow_id, task_queue="nobody-serves"
    )
    assert await gateway.is_running(workflow_id), "it waits for a worker"
    await terminated.terminate()
    assert not await gateway.is_running(workflow_id), "it was terminated"
    answered = await client.start_workflow("RequestWorkflow", start, id=workflow_id, task_queue=QUEUE_MAIN)
    await answered.result()
    assert not await gateway.is_running(workflow_id), "it has ended"


async def test_a_decision_delivered_twice_counts_once(client: Client, gateway: TemporalGateway) -> None:
    start = proposal_input()
    await gateway.start_proposal(start)
    decision = signed(start.proposal_id)
    first, second = await gateway.decide(decision), await gateway.decide(decision)
    assert first == second
    assert first.approvals == 1


async def test_what_the_validator_refuses_carries_its_reason_code(
    client: Client, gateway: TemporalGateway
) -> None:
    start = proposal_input()
    await gateway.start_proposal(start)
    with pytest.raises(DecisionNotAccepted) as refused:
        await gateway.decide(signed(start.proposal_id, revision=2))
    assert refused.value.code == "stale_revision"


async def test_a_decision_on_what_is_over_or_unknown_is_refused(
    client: Client, gateway: TemporalGateway
) -> None:
    start = proposal_input()
    await gateway.start_proposal(start)
    await gateway.wake(start.proposal_id)
    await gateway.wake(start.proposal_id)
    await client.get_workflow_handle(proposal_workflow_id(start.proposal_id)).result()
    for proposal_id in (start.proposal_id, "prp_unknown"):
        with pytest.raises(DecisionNotAccepted) as refused:
            await gateway.decide(signed(proposal_id))
        assert refused.value.code == "proposal_closed"


@pytest.mark.filterwarnings("ignore:.*TMPRL1102.*:RuntimeWarning")
async def test_a_workflow_that_ends_before_it_answers_refuses(
    client: Client, gateway: TemporalGateway
) -> None:
    start = proposal_input()
    await gateway.start_proposal(start)
    with pytest.raises(DecisionNotAccepted) as refused:
        await gateway.decide(signed(start.proposal_id, revision=4))
    assert refused.value.code == "proposal_closed"


async def test_no_answer_in_time_is_unavailable_and_not_a_refusal(
    client: Client, gateway: TemporalGateway, temporal_address: str
) -> None:
    start = proposal_input()
    await gateway.start_proposal(start)
    impatient = TemporalGateway(TemporalSettings(address=temporal_address), timeout=timedelta(seconds=1))
    with pytest.raises(WorkflowUnavailable):
        await impatient.decide(signed(start.proposal_id, revision=3))


async def test_a_caller_that_gives_up_is_cancelled_and_not_answered(
    client: Client, gateway: TemporalGateway
) -> None:
    start = proposal_input()
    await gateway.start_proposal(start)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(gateway.decide(signed(start.proposal_id, revision=3)), 0.5)
    task = asyncio.create_task(gateway.decide(signed(start.proposal_id, revision=3)))
    await asyncio.sleep(0.3)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_nobody_at_the_address_is_unavailable(free_port: Callable[[], int]) -> None:
    for settings in (TemporalSettings(address=f"127.0.0.1:{free_port()}"), TemporalSettings()):
        nowhere = TemporalGateway(settings, timeout=timedelta(seconds=2))
        for call in (nowhere.check(), nowhere.wake("prp_1"), nowhere.decide(signed("prp_1"))):
            with pytest.raises(WorkflowUnavailable):
                await call


async def test_a_missing_namespace_refuses_no_decision_and_ends_no_request(temporal_address: str) -> None:
    elsewhere = TemporalGateway(TemporalSettings(address=temporal_address, namespace="no-such-place"))
    calls = (elsewhere.check(), elsewhere.wake("prp_1"), elsewhere.decide(signed("prp_1")))
    for call in (*calls, elsewhere.is_running("request/req_1")):
        with pytest.raises(WorkflowUnavailable):
            await call


async def _greet(_: bytes, __: Any) -> bytes:
    return b""


async def _find_nothing(_: bytes, context: Any) -> bytes:
    """Answer as a router does that lost the way to the namespace."""
    await context.abort(grpc.StatusCode.NOT_FOUND, "no such place")
    return b""


async def test_a_start_that_finds_nothing_is_tried_again_and_never_given_up() -> None:
    server = grpc.aio.server()
    calls = {"GetSystemInfo": _greet, "StartWorkflowExecution": _find_nothing}
    handlers = {name: grpc.unary_unary_rpc_method_handler(call) for name, call in calls.items()}
    frontend = "temporal.api.workflowservice.v1.WorkflowService"
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(frontend, handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        astray = TemporalGateway(TemporalSettings(address=f"127.0.0.1:{port}"))
        with pytest.raises(WorkflowUnavailable):
            await astray.start_proposal(proposal_input())
    finally:
        await server.stop(None)


async def test_readiness_is_answered(gateway: TemporalGateway) -> None:
    await gateway.check()


async def test_no_call_goes_out_inside_a_transaction(gateway: TemporalGateway, database: Database) -> None:
    async with database.transaction():
        with pytest.raises(NetworkInsideTransaction):
            await gateway.wake("prp_1")


async def test_registering_search_attributes_twice_adds_none(client: Client) -> None:
    await register(client)
    assert await register(client) == []


async def test_workflows_carry_priority_and_the_tenant_as_fairness_key(
    client: Client, gateway: TemporalGateway
) -> None:
    start = proposal_input().model_copy(update={"priority": 1})
    await gateway.start_proposal(start)
    asked = request().model_copy(update={"channel": Channel.EVENT})
    await gateway.start_request(RequestInput(request=asked, public_keys={}))
    expected = {proposal_workflow_id(start.proposal_id): 1, request_workflow_id(asked.id): 4}
    for workflow_id, priority_key in expected.items():
        seen = await client.get_workflow_handle(workflow_id).describe()
        priority = seen.raw_description.workflow_execution_info.priority
        assert (priority.priority_key, priority.fairness_key) == (priority_key, "default")
        assert priority.fairness_weight == 1
    assert Channel.CHAT.priority < Channel.API.priority < Channel.EVENT.priority
