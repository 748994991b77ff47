"""The path of one request, REQUEST to PROPOSAL: plan, write the one outcome, start what was proposed.

The agent's graph runs in here, behind `agents/port.py`; its model and its tools are activities. Whatever becomes of
the agent, the request is closed exactly once (I5), and each proposal goes its own way as an abandoned child.
"""

from __future__ import annotations

import asyncio
import contextlib

from temporalio import workflow
from temporalio.common import Priority, SearchAttributeKey, SearchAttributePair, TypedSearchAttributes
from temporalio.exceptions import WorkflowAlreadyStartedError

with workflow.unsafe.imports_passed_through():
    from agents.port import AGENT_FAILURES, run_agent
    from contracts.messages import (
        PROGRESS_QUERY,
        PROPOSAL_WORKFLOW,
        REQUEST_WORKFLOW,
        CloseRequestInput,
        CloseRequestResult,
        CreatedProposal,
        PlanningInput,
        ProposalInput,
        RequestInput,
        proposal_workflow_id,
    )
    from contracts.progress import RequestProgress
    from workflows import stages


@workflow.defn(name=REQUEST_WORKFLOW, failure_exception_types=AGENT_FAILURES)
class RequestWorkflow:
    """mark as planned → run the agent → close with one outcome → start each proposal."""

    _progress = RequestProgress()
    """How far the agent has come. Only the query reads it. No `__init__` sets it: see tests/agents/test_port.py."""

    @workflow.run
    async def run(self, start: RequestInput) -> CloseRequestResult:
        """Follow the path to its end. Cancelling through Temporal changes nothing: an accepted request is answered."""
        path = asyncio.create_task(self._follow(start))
        while not path.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.shield(path)
        return path.result()

    @workflow.query(name=PROGRESS_QUERY)
    def progress(self) -> RequestProgress:
        """Return the agent's steps so far, for people who watch. The text comes from the model's heartbeat."""
        return self._progress

    def _notice(self, progress: RequestProgress) -> None:
        self._progress = progress

    async def _follow(self, start: RequestInput) -> CloseRequestResult:
        request = start.request
        closed = await stages.locally(
            "mark_request_planning", PlanningInput(request_id=request.id), CloseRequestResult, "planning"
        )
        if not closed.status.is_final:
            result = await run_agent(request, self._notice, barred=closed.model_barred)
            given = CloseRequestInput(request=request, result=result)
            told = result.outcome.outcome
            closed = await stages.locally("close_request", given, CloseRequestResult, told)
        workflow.set_current_details(f"**{closed.status}**")
        for created in closed.proposals:
            await _start_proposal(start, created)
        return closed


async def _start_proposal(start: RequestInput, created: CreatedProposal) -> None:
    request = start.request
    given = ProposalInput.of(
        created.action,
        request.requester,
        proposal_id=created.proposal_id,
        tenant=request.tenant,
        revision=created.revision,
        priority=created.priority,
        public_keys=start.public_keys,
    )
    found_by = [
        SearchAttributePair(SearchAttributeKey.for_keyword(name), value)
        for name, value in given.search_attributes.items()
    ]
    with contextlib.suppress(WorkflowAlreadyStartedError):
        await workflow.start_child_workflow(
            PROPOSAL_WORKFLOW,
            given,
            id=proposal_workflow_id(created.proposal_id),
            parent_close_policy=workflow.ParentClosePolicy.ABANDON,
            cancellation_type=workflow.ChildWorkflowCancellationType.ABANDON,
            search_attributes=TypedSearchAttributes(found_by),
            static_summary=given.summary,
            priority=Priority(
                priority_key=created.priority, fairness_key=request.tenant, fairness_weight=1.0
            ),
        )
