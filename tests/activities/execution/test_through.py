"""One activity takes an effect to its verified end, wherever an older attempt was lost."""

from __future__ import annotations

from temporalio.testing import ActivityEnvironment

from activities.execution.through import ThroughVerification
from contracts.effect import EffectResult, Step
from contracts.messages import EffectInput, EffectOutcome
from contracts.proposal import ProposalState
from emulators.gke.faults import FaultKind
from tests.proposal_stack import EffectStack, resize

S = ProposalState


async def through(stack: EffectStack, proposal_id: str, step: Step = Step.FORWARD) -> EffectOutcome:
    activity = ThroughVerification(stack.effects, stack.verification).execute_action
    given = EffectInput(proposal_id=proposal_id, revision=1, step=step, pass_number=2)
    return await ActivityEnvironment().run(activity, given)


async def test_an_effect_comes_back_verified_and_a_repetition_answers_the_same_state(
    stack: EffectStack,
) -> None:
    proposal_id = await stack.ready(resize(3))
    outcome = await through(stack, proposal_id)
    assert (outcome.result, outcome.state) == (EffectResult.ISSUED, S.SUCCEEDED)
    assert (await through(stack, proposal_id)).state is S.SUCCEEDED
    assert stack.sizes_set() == [3]


async def test_an_attempt_lost_between_the_stages_is_gone_on_with_at_verification(stack: EffectStack) -> None:
    proposal_id = await stack.ready(resize(3))
    assert (await stack.execute(proposal_id)).state is S.VERIFYING
    assert (await through(stack, proposal_id)).state is S.SUCCEEDED
    assert stack.sizes_set() == [3]
    types = [event["type"] for event in await stack.audit(proposal_id)]
    assert types.count("effect.issued") == types.count("verification.recorded") == 1


async def test_a_failed_operation_is_turned_back_and_its_way_back_comes_back_verified(
    stack: EffectStack,
) -> None:
    await stack.fleet.admin.add_fault("SetNodePoolSize", FaultKind.STOCKOUT, node_pool="web")
    proposal_id = await stack.ready(resize(3))
    assert (await through(stack, proposal_id)).state is S.ROLLING_BACK
    assert (await through(stack, proposal_id, Step.COMPENSATION)).state is S.ROLLED_BACK
    assert stack.sizes_set() == [3, 2]


async def test_what_ends_before_a_call_is_not_verified(stack: EffectStack) -> None:
    proposal_id = await stack.ready(resize(3))
    await stack.fleet.admin.add_fault("SetNodePoolSize", FaultKind.PERMISSION, node_pool="web")
    outcome = await through(stack, proposal_id)
    assert (outcome.result, outcome.state) == (EffectResult.CLOSED, S.FAILED)
    assert stack.sizes_set() == []
