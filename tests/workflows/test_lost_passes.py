"""A worker commits the first pass of an edited revision and dies before the workflow knows: people can still decide."""

from __future__ import annotations

import contextlib

from temporalio.client import WorkflowUpdateFailedError

from contracts.messages import WAKE_SIGNAL, PassInput
from contracts.proposal import ProposalState
from tests.contracts.ballots import OLGA
from tests.editing import edit
from tests.proposal_stack import ProposalStack, eventually, resize

S = ProposalState


async def test_the_rules_of_a_pass_that_was_lost_are_asked_for_again(stack: ProposalStack) -> None:
    async with stack.working():
        handle = await stack.propose(resize(3))
        proposal_id = handle.id.removeprefix("proposal/")
        await stack.until(proposal_id, S.AWAITING_APPROVAL)
    await edit(stack.database, proposal_id, OLGA, node_count=5)
    await stack.guard.check_proposal(PassInput(proposal_id=proposal_id, revision=2, pass_number=1))
    assert (await stack.row(proposal_id)).state == S.AWAITING_APPROVAL
    await handle.signal(WAKE_SIGNAL)
    async with stack.working():
        signed = await stack.signed(proposal_id)
        await stack.record(signed)

        async def is_taken() -> bool:
            # Until the workflow has looked, it calls the vote stale, and the dispatcher sends it again.
            with contextlib.suppress(WorkflowUpdateFailedError):
                await stack.send(signed)
                return True
            return False

        await eventually(is_taken)
        assert (await stack.until(proposal_id, S.SUCCEEDED)).revision == 2
    assert stack.sizes_set() == [5]
