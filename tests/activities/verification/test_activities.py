"""VERIFICATION against the practice fleet: what closes a proposal, and with what given back."""

from __future__ import annotations

import asyncio
import dataclasses
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.verification.activities import VerificationActivities
from adapters.store import proposals
from adapters.store.ledger import Amount
from adapters.store.schema import ledger_entries
from contracts.action import NodePoolTarget
from contracts.effect import Step, Verification
from contracts.errors import ProviderError, ProviderUnavailable
from contracts.messages import EffectInput, VerifyOutcome
from contracts.observation import NodePoolObservation
from contracts.proposal import ProposalState
from emulators.gke.faults import FaultKind
from tests.activities.execution.test_crashes import PausedReader
from tests.proposal_stack import CONFIGURATION, EffectStack, resize
from tests.steps import reserve
from tests.waiting import until

S = ProposalState
CLUSTER = "acme-prod/europe-west4/serving"
WEB = f"{CLUSTER}/web"


class Counter:
    """Answers what a test says, the last one again and again."""

    def __init__(self, *answers: int | ProviderError | None) -> None:
        self.answers = list(answers)

    async def count_ready(self, target: NodePoolTarget) -> int | None:
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, ProviderError):
            raise answer
        return answer


class CountingReader(PausedReader):
    """Never hangs, and counts how often the pool is looked at."""

    looks = 0

    async def observe(self, target: NodePoolTarget) -> NodePoolObservation:
        self.looks += 1
        return await self.inner.observe(target)


async def verify(stack: EffectStack, proposal_id: str, counter: Counter) -> VerifyOutcome:
    verification = VerificationActivities(
        stack.database, stack.reader, counter, CONFIGURATION, stack.mode, stack.timings
    )
    given = EffectInput(proposal_id=proposal_id, revision=1, step=Step.FORWARD, pass_number=2)
    return await ActivityEnvironment().run(verification.verify_effect, given)


def out_of_time(stack: EffectStack) -> EffectStack:
    """The same, where no operation has any time left."""
    timings = dataclasses.replace(stack.timings, operation_timeout=timedelta(0))
    return dataclasses.replace(stack, timings=timings)


async def executed(stack: EffectStack) -> str:
    proposal_id = await stack.ready(resize(3))
    await stack.execute(proposal_id)
    return proposal_id


async def found(stack: EffectStack, proposal_id: str) -> Verification:
    return Verification.model_validate((await stack.intent(proposal_id)).verification)


async def test_a_worker_that_reads_another_provider_verifies_nothing_and_calls_a_person(
    stack: EffectStack,
) -> None:
    proposal_id = await executed(stack)
    outcome = await dataclasses.replace(stack, mode="google").verify(proposal_id)
    assert (outcome.state, outcome.reason_code) == (S.DIRTY, "mode_mismatch")
    assert (await stack.intent(proposal_id)).verification is None
    assert await stack.lease_owner() == proposal_id


async def test_it_waits_until_the_nodes_are_ready(stack: EffectStack) -> None:
    proposal_id = await executed(stack)
    assert (await verify(stack, proposal_id, Counter(6, 7, 9))).state is S.SUCCEEDED
    verification = await found(stack, proposal_id)
    assert (verification.matches, verification.ready_nodes, set(verification.expected.values())) == (
        True,
        9,
        {3},
    )


async def test_nodes_that_never_get_ready_are_a_wrong_outcome(stack: EffectStack) -> None:
    proposal_id = await executed(stack)
    outcome = await verify(out_of_time(stack), proposal_id, Counter(6))
    assert (outcome.state, outcome.reason_code) == (S.ROLLING_BACK, "nodes_not_ready")


async def test_a_kubernetes_api_that_comes_back_is_asked(stack: EffectStack) -> None:
    proposal_id = await executed(stack)
    assert (await verify(stack, proposal_id, Counter(ProviderUnavailable("away"), 9))).state is S.SUCCEEDED
    assert (await found(stack, proposal_id)).ready_nodes == 9


async def test_a_kubernetes_api_that_stays_away_leaves_the_instance_groups_to_judge(
    stack: EffectStack,
) -> None:
    proposal_id = await executed(stack)
    assert (
        await verify(out_of_time(stack), proposal_id, Counter(ProviderUnavailable("away")))
    ).state is S.SUCCEEDED
    assert (await found(stack, proposal_id)).ready_nodes is None


async def test_it_waits_for_nodes_that_start_slowly(stack: EffectStack) -> None:
    proposal_id = await stack.ready(resize(3))
    await stack.fleet.admin.change_pool(WEB, node_count=3, settle=False)
    await stack.execute(proposal_id)
    assert (await stack.verify(proposal_id)).state is S.SUCCEEDED
    assert stack.sizes_set() == []


async def test_a_size_that_others_asked_for_and_did_not_get_is_left_to_a_person(stack: EffectStack) -> None:
    proposal_id = await stack.ready(resize(3))
    stock = {"europe-west4-a": 2}
    await stack.fleet.admin.change_pool(WEB, node_count=3, settle=False, stock=stock)
    await stack.execute(proposal_id)
    assert (await out_of_time(stack).verify(proposal_id)).state is S.DIRTY
    assert stack.sizes_set() == []


async def test_a_provider_that_is_away_concludes_nothing(stack: EffectStack) -> None:
    proposal_id = await executed(stack)
    await stack.fleet.admin.add_fault("GetNodePool", FaultKind.UNAVAILABLE, times=1)
    results = await asyncio.gather(stack.verify(proposal_id), return_exceptions=True)
    assert "ApplicationError" in str(type(results[0]))
    assert (await stack.row(proposal_id)).state == S.VERIFYING
    assert (await stack.verify(proposal_id)).state is S.SUCCEEDED


async def test_what_changed_after_the_effect_is_not_called_a_success(stack: EffectStack) -> None:
    proposal_id = await executed(stack)
    await stack.fleet.admin.change_pool(WEB, node_count=5)
    outcome = await stack.verify(proposal_id)
    assert (outcome.state, outcome.reason_code) == (S.ROLLING_BACK, "target_size_differs")
    undone = await stack.execute(proposal_id, Step.COMPENSATION)
    assert (undone.state, undone.reason_code) == (S.DIRTY, "changed_by_others")
    assert stack.sizes_set() == [3]


async def test_a_silent_shortage_that_no_single_call_takes_back_is_left_to_a_person(
    stack: EffectStack,
) -> None:
    await stack.fleet.admin.add_fault("SetNodePoolSize", FaultKind.PARTIAL)
    proposal_id = await stack.ready(resize(4, "uneven"))
    await stack.execute(proposal_id)
    outcome = await out_of_time(stack).verify(proposal_id)
    assert (outcome.state, outcome.reason_code) == (S.DIRTY, "nodes_not_running")


async def test_what_runs_as_decided_is_kept_although_a_foreign_operation_outlasts_the_wait(
    stack: EffectStack,
) -> None:
    proposal_id = await executed(stack)
    await stack.fleet.admin.start_operation(CLUSTER)
    assert (await out_of_time(stack).verify(proposal_id)).state is S.SUCCEEDED
    assert stack.sizes_set() == [3]


async def test_what_runs_as_before_was_taken_back_although_a_foreign_operation_outlasts_the_wait(
    stack: EffectStack,
) -> None:
    await stack.fleet.admin.add_fault("SetNodePoolSize", FaultKind.OPERATION_ERROR, times=1)
    proposal_id = await executed(stack)
    assert (await stack.execute(proposal_id, Step.COMPENSATION)).state is S.ROLLING_BACK
    await stack.fleet.admin.start_operation(CLUSTER)
    assert (await out_of_time(stack).verify(proposal_id, Step.COMPENSATION)).state is S.ROLLED_BACK


async def test_a_foreign_operation_excuses_no_shortage(stack: EffectStack) -> None:
    await stack.fleet.admin.add_fault("SetNodePoolSize", FaultKind.PARTIAL)
    proposal_id = await executed(stack)
    await stack.fleet.admin.start_operation(CLUSTER)
    outcome = await out_of_time(stack).verify(proposal_id)
    assert (outcome.state, outcome.reason_code) == (S.ROLLING_BACK, "nodes_not_running")


async def test_while_a_foreign_operation_runs_it_waits(stack: EffectStack) -> None:
    proposal_id = await executed(stack)
    operation = await stack.fleet.admin.start_operation(CLUSTER)
    stack.reader = reader = CountingReader(stack.reader)
    verifying = asyncio.create_task(stack.verify(proposal_id))
    await until(lambda: reader.looks > 1 or verifying.done())
    await stack.fleet.admin.finish_operation(operation)
    assert (await verifying).state is S.SUCCEEDED
    assert reader.looks > 1


async def test_a_pool_that_is_gone_after_the_effect_is_no_success(stack: EffectStack) -> None:
    proposal_id = await executed(stack)
    await stack.fleet.admin.add_fault("GetNodePool", FaultKind.NOT_FOUND, times=-1)
    outcome = await stack.verify(proposal_id)
    assert (outcome.state, outcome.reason_code) == (S.ROLLING_BACK, "target_not_found")


async def test_of_two_verifications_at_once_one_ends_the_proposal_and_both_tell_how(
    stack: EffectStack,
) -> None:
    proposal_id = await executed(stack)
    reader = stack.reader
    stack.reader = paused = PausedReader(reader)
    late = asyncio.create_task(stack.verify(proposal_id))
    await paused.hangs.wait()
    stack.reader = reader
    assert (await stack.verify(proposal_id)).state is S.SUCCEEDED
    paused.go_on.set()
    assert (await late).state is S.SUCCEEDED
    types = [event["type"] for event in await stack.audit(proposal_id)]
    assert types.count("verification.recorded") == 1


async def test_what_needed_no_call_costs_nothing(stack: EffectStack) -> None:
    proposal_id = await stack.ready(resize(3))
    async with stack.database.transaction() as connection:
        await proposals.lock(connection, proposal_id)
        amount = Amount(scope="tenant", window="month:2026-11", currency="USD", amount=Decimal(10))
        await reserve(connection, "default", proposal_id, [amount])
    await stack.fleet.admin.change_pool(WEB, node_count=3)
    await stack.execute(proposal_id)
    assert (await stack.verify(proposal_id)).state is S.SUCCEEDED
    async with stack.database.reading() as connection:
        kinds = (await connection.execute(select(ledger_entries.c.kind))).scalars()
    assert sorted(kinds) == ["release", "reserve"]


async def test_a_way_back_after_which_the_pool_is_not_as_before_is_left_to_a_person(
    stack: EffectStack,
) -> None:
    await stack.fleet.admin.add_fault("SetNodePoolSize", FaultKind.OPERATION_ERROR, times=1)
    proposal_id = await executed(stack)
    assert (await stack.execute(proposal_id, Step.COMPENSATION)).state is S.ROLLING_BACK
    await stack.fleet.admin.change_pool(WEB, node_count=7)
    outcome = await stack.verify(proposal_id, Step.COMPENSATION)
    assert (outcome.state, outcome.reason_code) == (S.DIRTY, "target_size_differs")
    assert await stack.lease_owner() == proposal_id


async def test_what_nobody_may_look_at_for_the_whole_time_is_left_to_a_person(stack: EffectStack) -> None:
    proposal_id = await executed(stack)
    await stack.fleet.admin.add_fault("GetNodePool", FaultKind.PERMISSION, times=-1)
    with pytest.raises(ApplicationError):
        await stack.verify(proposal_id)
    assert (await stack.row(proposal_id)).state == S.VERIFYING
    outcome = await out_of_time(stack).verify(proposal_id)
    assert (outcome.state, outcome.reason_code) == (S.DIRTY, "provider_permission_denied")
    assert await stack.lease_owner() == proposal_id
