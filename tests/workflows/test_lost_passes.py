"""A worker commits the first pass of an edited revision and dies before the workflow knows: people can still decide.

An Update is answered once: a vote that the workflow refuses because it is behind is lost for good.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from contracts.messages import DECIDE_SIGNAL, WAKE_SIGNAL, PassInput
from contracts.proposal import Draft, ProposalState
from tests.contracts.ballots import OLGA
from tests.editing import edit
from tests.proposal_stack import ProposalStack, forged, resize

S = ProposalState
WITHIN = 15.0
"""Seconds for what takes one: a vote that nobody takes up is not waited for as long as a test may take."""


async def edited_and_judged(stack: ProposalStack, proposal_id: str) -> None:
    """A revision that waits for people in the database, while the workflow knows of the first one only."""
    assert isinstance(await edit(stack.database, proposal_id, OLGA, node_count=5), Draft)
    await stack.guard.check_proposal(PassInput(proposal_id=proposal_id, revision=2, pass_number=1))
    row = await stack.row(proposal_id)
    assert (row.state, row.revision) == (S.AWAITING_APPROVAL, 2)


async def waiting(stack: ProposalStack) -> tuple[Any, str]:
    handle = await stack.propose(resize(3))
    proposal_id = handle.id.removeprefix("proposal/")
    await stack.until(proposal_id, S.AWAITING_APPROVAL, limit=60)
    return handle, proposal_id


async def refusal_of(answer: Any) -> str | None:
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await answer
    assert isinstance(refused.value.cause, ApplicationError)
    return refused.value.cause.type


async def test_a_vote_counts_that_came_before_its_workflow_knew_of_any_revision(stack: ProposalStack) -> None:
    handle = await stack.propose(resize(3))
    proposal_id = handle.id.removeprefix("proposal/")
    await stack.guard.check_proposal(PassInput(proposal_id=proposal_id, revision=1, pass_number=1))
    await edited_and_judged(stack, proposal_id)
    signed = await stack.signed(proposal_id)
    await stack.record(signed)
    sending = asyncio.create_task(stack.send(signed))
    async with stack.working(), asyncio.timeout(WITHIN):
        assert (await sending).state == "ready"
        assert (await handle.result()).revision == 2
    assert stack.sizes_set() == [5]


@pytest.mark.parametrize("is_told", [True, False], ids=["told of the edit", "told of nothing"])
async def test_a_vote_counts_that_came_before_its_workflow_knew_of_the_edit(
    stack: ProposalStack, *, is_told: bool
) -> None:
    async with stack.working():
        handle, proposal_id = await waiting(stack)
    await edited_and_judged(stack, proposal_id)
    if is_told:
        await handle.signal(WAKE_SIGNAL)
    async with stack.working():
        assert (await stack.decide(proposal_id)).state == "ready"
        assert (await handle.result()).revision == 2
    assert stack.sizes_set() == [5]


async def test_a_vote_by_signal_counts_that_came_before_its_workflow_knew_of_the_edit(
    stack: ProposalStack,
) -> None:
    async with stack.working():
        handle, proposal_id = await waiting(stack)
    await edited_and_judged(stack, proposal_id)
    signed = await stack.signed(proposal_id)
    await stack.record(signed)
    await handle.signal(DECIDE_SIGNAL, signed)
    async with stack.working():
        assert (await handle.result()).revision == 2
    assert stack.sizes_set() == [5]


async def test_a_forged_vote_on_a_revision_to_come_is_refused_at_once(stack: ProposalStack) -> None:
    async with stack.working():
        handle, proposal_id = await waiting(stack)
        ahead = forged(await stack.signed(proposal_id, revision=2))
        assert await refusal_of(stack.send(ahead)) == "bad_signature"
        await handle.terminate()
