"""How a step ends when something moved on meanwhile, and when it is the way back that cannot be taken."""

from __future__ import annotations

import pytest

from activities.execution.attempt import Work
from activities.execution.conclusion import Conclusion
from adapters.store import intents
from contracts.effect import EffectResult, Intent, ReceiptOutcome, Step
from contracts.errors import StaleFence
from contracts.messages import EffectOutcome
from contracts.proposal import Proposal, ProposalState
from emulators.gke.faults import FaultKind
from tests.activities.execution.test_crashes import DyingEffector, dying_attempt
from tests.proposal_stack import CONFIGURATION, MODE, EffectStack, resize

S = ProposalState
BACK = Step.COMPENSATION
ENDS = {
    "step_back": lambda conclusion, work, intent: conclusion.step_back(work, intent, "foreign_operation"),
    "changed": lambda conclusion, work, intent: conclusion.changed(work, intent),
    "unreachable": lambda conclusion, work, intent: conclusion.unreachable(work, intent, "target_not_found"),
    "give_up": lambda conclusion, work, intent: conclusion.give_up(intent, "target_stayed_busy"),
}
"""How an attempt that made no call ends, by its method."""


def conclusion_of(stack: EffectStack) -> Conclusion:
    return Conclusion(stack.database, CONFIGURATION, MODE)


async def begun(stack: EffectStack) -> tuple[Work, Intent]:
    """An attempt that has written its intent, and may have called."""
    proposal_id = await stack.ready(resize(3))
    stack.effector = DyingEffector(stack.effector, after=True)
    await dying_attempt(stack, proposal_id)
    proposal = Proposal.model_validate((await stack.row(proposal_id)).document)
    intent = Intent.model_validate((await stack.intent(proposal_id)).document)
    work = Work(proposal=proposal, step=Step.FORWARD, key=intent.key, action=proposal.action, pass_number=2)
    return work, intent


async def rolling_back(stack: EffectStack) -> str:
    """A proposal whose operation failed, and whose way back is to be taken."""
    await stack.fleet.admin.add_fault("SetNodePoolSize", FaultKind.OPERATION_ERROR)
    proposal_id = await stack.ready(resize(3))
    assert (await stack.execute(proposal_id)).result is EffectResult.ROLL_BACK
    return proposal_id


@pytest.mark.parametrize("end", ENDS)
async def test_what_was_left_to_a_person_keeps_state_and_lease_whatever_its_attempt_finds(
    stack: EffectStack, end: str
) -> None:
    work, intent = await begun(stack)
    conclusion = conclusion_of(stack)
    await conclusion.abandon(intent.proposal_id, "provider_unavailable")
    answered = await ENDS[end](conclusion, work, intent)
    assert answered == EffectOutcome(
        result=EffectResult.CLOSED, state=S.DIRTY, reason_code="provider_unavailable"
    )
    assert (await stack.row(intent.proposal_id)).state == S.DIRTY
    assert await stack.lease_owner() == intent.proposal_id


@pytest.mark.parametrize("end", ENDS)
async def test_an_attempt_that_was_taken_over_ends_nothing(stack: EffectStack, end: str) -> None:
    work, intent = await begun(stack)
    async with stack.database.transaction() as connection:
        await intents.take_over(connection, intent.key, intent.fence + 1)
    with pytest.raises(StaleFence):
        await ENDS[end](conclusion_of(stack), work, intent)
    assert (await stack.row(intent.proposal_id)).state == S.EXECUTING
    assert await stack.lease_owner() == intent.proposal_id


async def test_what_took_place_meanwhile_is_not_left_to_a_person(stack: EffectStack) -> None:
    proposal_id = await stack.ready(resize(3))
    await stack.execute(proposal_id)
    answered = await conclusion_of(stack).abandon(proposal_id, "provider_unavailable")
    assert (answered.result, answered.state) == (EffectResult.ISSUED, S.VERIFYING)
    assert (await stack.verify(proposal_id)).state is S.SUCCEEDED


async def test_a_way_back_whose_operation_fails_is_left_to_a_person(stack: EffectStack) -> None:
    proposal_id = await rolling_back(stack)
    await stack.fleet.admin.add_fault("SetNodePoolSize", FaultKind.OPERATION_ERROR)
    outcome = await stack.execute(proposal_id, BACK)
    assert (outcome.result, outcome.state) == (EffectResult.CLOSED, S.DIRTY)
    assert (await stack.receipt(proposal_id, "compensation")).outcome is ReceiptOutcome.OPERATION_FAILED
    assert await stack.lease_owner() == proposal_id


async def test_a_way_back_that_the_provider_refuses_is_left_to_a_person(stack: EffectStack) -> None:
    proposal_id = await rolling_back(stack)
    await stack.fleet.admin.add_fault("SetNodePoolSize", FaultKind.PERMISSION)
    outcome = await stack.execute(proposal_id, BACK)
    assert (outcome.result, outcome.state) == (EffectResult.CLOSED, S.DIRTY)
    assert (await stack.receipt(proposal_id, "compensation")).outcome is ReceiptOutcome.REFUSED
    assert await stack.lease_owner() == proposal_id


async def test_a_way_back_whose_pool_is_gone_is_left_to_a_person(stack: EffectStack) -> None:
    proposal_id = await rolling_back(stack)
    await stack.fleet.admin.add_fault("GetNodePool", FaultKind.NOT_FOUND, times=-1)
    outcome = await stack.execute(proposal_id, BACK)
    assert (outcome.state, outcome.reason_code) == (S.DIRTY, "target_not_found")
    assert await stack.lease_owner() == proposal_id
