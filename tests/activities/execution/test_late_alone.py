"""A worker that slept between its last check and its call, and that no other took over from."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from contracts.audit import AuditType
from tests.activities.execution.test_lateness import S, SleepingEffector, pages, timeless, woken
from tests.proposal_stack import HASTY, EffectStack


@pytest.mark.parametrize("hears", [True, False], ids=["answered", "unanswered"])
async def test_a_late_call_of_the_only_worker_is_no_success_either(
    stack: EffectStack, *, hears: bool
) -> None:
    """What was judged before it slept may not hold any more: a halt may be effective by now."""
    stack.timings = HASTY
    proposal_id = await stack.ready()
    effector = SleepingEffector(stack.effector, hears)
    alone = asyncio.create_task(replace(stack, effector=effector).execute(proposal_id))
    await effector.sleeps.wait()
    await asyncio.sleep((HASTY.call_timeout + HASTY.call_margin).total_seconds())
    if hears:
        effector.wakes.set()
        outcome = await alone
    else:
        await woken(effector, alone)
        outcome = await stack.execute(proposal_id)
    assert (outcome.state, outcome.reason_code) == (S.DIRTY, "late_call")
    assert len(stack.sizes_set()) == 1
    assert (await stack.verify(proposal_id)).state is S.DIRTY
    assert await pages(stack) == ["late_call"]
    [told] = [one for one in await stack.audit(proposal_id) if one["type"] == AuditType.EFFECT_LATE]
    assert told["payload"]["operation"] == stack.fleet.calls().accepted("SetNodePoolSize")[0].operation


async def test_whose_answer_came_in_time_needs_no_clock_but_its_own(stack: EffectStack) -> None:
    proposal_id = await stack.ready()
    assert (await replace(stack, reader=timeless(stack)).execute(proposal_id)).state is S.VERIFYING
