"""The hand-off to Temporal: starts workflows, delivers decisions, wakes. API, dispatcher and housekeeping call it.

Implements `contracts.ports.WorkflowGateway`. Every call may be repeated: the id of a workflow or an Update makes the
second one harmless for as long as Temporal keeps the first; beyond that our own rows do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta

from pydantic import BaseModel
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import (
    Client,
    Interceptor,
    WorkflowExecutionDescription,
    WorkflowQueryFailedError,
    WorkflowUpdateFailedError,
)
from temporalio.common import Priority, WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError, FailureError, WorkflowAlreadyStartedError

from adapters.store.database import forbid_in_transaction
from adapters.temporal.connection import connect, our_errors
from adapters.temporal.search_attributes import typed
from contracts.decision import DecisionResult, SignedDecision
from contracts.errors import DecisionNotAccepted, NotFound, WorkflowUnavailable
from contracts.messages import (
    DECIDE_UPDATE,
    PROGRESS_QUERY,
    PROPOSAL_WORKFLOW,
    QUEUE_MAIN,
    REQUEST_WORKFLOW,
    WAKE_SIGNAL,
    ProposalInput,
    RequestInput,
    proposal_workflow_id,
    request_workflow_id,
)
from contracts.progress import MAX_PROGRESS_TEXT, RequestProgress
from settings import TemporalSettings

PROPOSAL_CLOSED = "proposal_closed"
_SUMMARY = 200
_GONE = ("AcceptedUpdateCompletedWorkflow",)
"""Failure types by which the server says that the workflow ended before it answered."""


class TemporalGateway:
    """Connects at the first call and shares one connection."""

    def __init__(
        self,
        settings: TemporalSettings,
        *,
        timeout: timedelta = timedelta(seconds=10),
        interceptors: Sequence[Interceptor] = (),
    ) -> None:
        """`timeout` bounds every call, the connecting included."""
        self._settings = settings
        self._timeout = timeout
        self._interceptors = interceptors
        self._client: Client | None = None
        self._connecting = asyncio.Lock()

    async def start_request(self, start: RequestInput) -> None:
        """Start `RequestWorkflow` under the request's id; a second start changes nothing.

        Raises:
            WorkflowUnavailable: Temporal did not answer.
        """
        request = start.request
        await self._start(
            REQUEST_WORKFLOW,
            start,
            workflow_id=request_workflow_id(request.id),
            summary=f"request by {request.requester.spelled} ({request.channel.value})",
            attributes=start.search_attributes,
            priority=request.channel.priority,
        )

    async def start_proposal(self, start: ProposalInput) -> None:
        """Start `ProposalWorkflow` under the proposal's id; a second start changes nothing.

        Raises:
            WorkflowUnavailable: Temporal did not answer.
        """
        await self._start(
            PROPOSAL_WORKFLOW,
            start,
            workflow_id=proposal_workflow_id(start.proposal_id),
            summary=start.summary,
            attributes=start.search_attributes,
            priority=start.priority,
        )

    async def decide(self, signed: SignedDecision) -> DecisionResult:
        """Deliver a decision as an Update whose id is the decision's, and wait for its result.

        Raises:
            DecisionNotAccepted: the validator refused it, or the workflow is over or unknown.
            WorkflowUnavailable: no answer in time: it may have been taken. Call again.
        """
        client = await self._connected()
        decision = signed.decision
        handle = client.get_workflow_handle(proposal_workflow_id(decision.proposal_id))
        try:
            async with our_errors(self._timeout):
                result: DecisionResult = await handle.execute_update(
                    DECIDE_UPDATE, signed, id=decision.id, result_type=DecisionResult
                )
                return result
        except WorkflowUpdateFailedError as error:
            raise DecisionNotAccepted(_reason_code(error)) from error
        except NotFound as error:
            raise DecisionNotAccepted(PROPOSAL_CLOSED) from error

    async def wake(self, proposal_id: str) -> None:
        """Signal the workflow that something it waits for changed; no workflow left to wake is fine.

        Raises:
            WorkflowUnavailable: Temporal did not answer.
        """
        client = await self._connected()
        try:
            async with our_errors(self._timeout):
                await client.get_workflow_handle(proposal_workflow_id(proposal_id)).signal(WAKE_SIGNAL)
        except NotFound:
            return

    async def progress_of(self, request_id: str) -> RequestProgress | None:
        """Ask the request's workflow how far its agent is, and the pending call of the model what it has written.

        The text is in the details of that activity's heartbeat: it leaves no event in the history. None while a
        workflow task is under way: a query would break into its local activities, and that costs three events.

        Raises:
            WorkflowUnavailable: Temporal or a worker did not answer.
        """
        client = await self._connected()
        handle = client.get_workflow_handle(request_workflow_id(request_id))
        try:
            async with our_errors(self._timeout):
                description = await handle.describe()
                if description.raw_description.HasField("pending_workflow_task"):
                    return None
                progress: RequestProgress = await handle.query(
                    PROGRESS_QUERY, result_type=RequestProgress, rpc_timeout=self._timeout
                )
        except NotFound:
            return RequestProgress()
        except WorkflowQueryFailedError as error:
            raise WorkflowUnavailable("the workflow's progress cannot be told") from error
        return progress.model_copy(update={"text": await _text_in(description, client)})

    async def is_running(self, workflow_id: str) -> bool:
        """Tell whether a workflow runs: not one that ended, that Temporal forgot, or that never began.

        Raises:
            WorkflowUnavailable: Temporal did not answer.
        """
        client = await self._connected()
        try:
            async with our_errors(self._timeout):
                description = await client.get_workflow_handle(workflow_id).describe()
        except NotFound:
            return False
        return description.close_time is None

    async def check(self) -> None:
        """Return when Temporal answers and has the namespace.

        Raises:
            WorkflowUnavailable: it does not.
        """
        client = await self._connected()
        async with our_errors(self._timeout):
            await client.workflow_service.describe_namespace(
                DescribeNamespaceRequest(namespace=client.namespace)
            )

    async def _start(
        self,
        workflow: str,
        start: BaseModel,
        *,
        workflow_id: str,
        summary: str,
        attributes: Mapping[str, str],
        priority: int,
    ) -> None:
        client = await self._connected()
        try:
            async with our_errors(self._timeout):
                await client.start_workflow(
                    workflow,
                    start,
                    id=workflow_id,
                    task_queue=QUEUE_MAIN,
                    id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                    id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                    search_attributes=typed(attributes),
                    static_summary=summary[:_SUMMARY],
                    static_details="\n".join(f"- {name}: `{value}`" for name, value in attributes.items()),
                    # Activities inherit it. A server that knows no fairness keys ignores them.
                    priority=Priority(
                        priority_key=priority, fairness_key=attributes["SluiceTenant"], fairness_weight=1.0
                    ),
                    request_eager_start=False,
                )
        except WorkflowAlreadyStartedError:
            return  # it ended already: this is a late second delivery
        except NotFound as error:
            # A start looks for nothing of ours, so this says nothing about it. NotFound would be given up.
            raise WorkflowUnavailable("Temporal does not find the namespace") from error

    async def _connected(self) -> Client:
        forbid_in_transaction()
        async with self._connecting:
            if self._client is None:
                self._client = await connect(self._settings, interceptors=self._interceptors)
            return self._client


async def _text_in(description: WorkflowExecutionDescription, client: Client) -> str:
    """Return what the nodes at work told with their heartbeats (`agents/heartbeat.py`)."""
    for pending in description.raw_description.pending_activities:
        payloads = pending.heartbeat_details.payloads
        if payloads:
            told = (await client.data_converter.decode(payloads))[0]
            if isinstance(told, str):
                return told[:MAX_PROGRESS_TEXT]
    return ""


def _reason_code(error: WorkflowUpdateFailedError) -> str:
    """Return the type of the innermost application error: validator and handler put the reason code there."""
    code = "internal_error"
    cause: BaseException | None = error.cause
    while isinstance(cause, FailureError):
        if isinstance(cause, ApplicationError) and cause.type:
            code = cause.type
        cause = cause.cause
    return PROPOSAL_CLOSED if code in _GONE else code
