"""The worker is killed at each stage and started again: always one accepted SetNodePoolSize, and `succeeded`.

The exact point is reached from outside, by making the provider slow; the process is the product's own.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from contracts.proposal import ProposalState
from emulators.gke.faults import FaultKind
from tests.e2e.worker_process import WorkerProcess
from tests.proposal_stack import ProposalStack, eventually, resize

S = ProposalState
POOL = {"project": "acme-prod", "cluster": "serving", "node_pool": "web"}
OBSERVATIONS_BEFORE_EXECUTION = 1
"""By the first guard pass; the second judges what was approved."""


async def slow(stack: ProposalStack, method: str, *, skip: int = 0, seconds: float = 3.0) -> None:
    await stack.fleet.admin.add_fault(method, FaultKind.SLOW, skip=skip, delay=seconds, **POOL)


async def served(stack: ProposalStack, method: str, count: int) -> None:
    """Wait until the provider has taken this many calls, answered or not."""

    async def taken() -> bool:
        return len(stack.fleet.calls().of(method, target="acme-prod/europe-west4/serving/web")) >= count

    await eventually(taken)


async def propose(stack: ProposalStack) -> tuple[Any, str]:
    handle = await stack.propose(resize(3))
    return handle, handle.id.removeprefix("proposal/")


async def approve(stack: ProposalStack, proposal_id: str) -> None:
    await stack.until(proposal_id, S.AWAITING_APPROVAL)
    await stack.decide(proposal_id)


async def kill_and_restart(worker: WorkerProcess) -> None:
    await worker.kill()
    await worker.start()


async def ends_well(worker: WorkerProcess, handle: Any, proposal_id: str) -> None:
    stack = worker.stack
    closed = await asyncio.wait_for(handle.result(), 120)
    assert closed.state is S.SUCCEEDED
    assert (await stack.row(proposal_id)).state == S.SUCCEEDED
    assert stack.sizes_set() == [3]
    assert await stack.lease_owner() is None


async def test_killed_during_evaluation(worker: WorkerProcess) -> None:
    await slow(worker.stack, "GetNodePool")
    await worker.start()
    handle, proposal_id = await propose(worker.stack)
    await served(worker.stack, "GetNodePool", 1)
    assert (await worker.stack.row(proposal_id)).state == S.EVALUATING
    await kill_and_restart(worker)
    await approve(worker.stack, proposal_id)
    await ends_well(worker, handle, proposal_id)


async def test_killed_while_it_waits_for_a_person(worker: WorkerProcess) -> None:
    await worker.start()
    handle, proposal_id = await propose(worker.stack)
    await worker.stack.until(proposal_id, S.AWAITING_APPROVAL)
    await worker.kill()
    signed = await worker.stack.signed(proposal_id)
    await worker.stack.record(signed)
    sent = asyncio.create_task(worker.stack.send(signed))
    await asyncio.sleep(0.5)
    await worker.start()
    assert (await sent).state == "ready"
    await ends_well(worker, handle, proposal_id)


async def test_killed_between_intent_and_call(worker: WorkerProcess) -> None:
    await slow(worker.stack, "GetNodePool", skip=OBSERVATIONS_BEFORE_EXECUTION)
    await worker.start()
    handle, proposal_id = await propose(worker.stack)
    await approve(worker.stack, proposal_id)
    await served(worker.stack, "GetNodePool", OBSERVATIONS_BEFORE_EXECUTION + 1)
    assert (await worker.stack.row(proposal_id)).state == S.EXECUTING
    intent = await worker.stack.intent(proposal_id)
    assert (intent.operation, intent.receipt) == (None, None)
    await kill_and_restart(worker)
    await ends_well(worker, handle, proposal_id)
    assert len(worker.stack.fleet.calls().of("SetNodePoolSize")) == 1


async def test_killed_after_the_call_and_before_its_answer(worker: WorkerProcess) -> None:
    await slow(worker.stack, "SetNodePoolSize", seconds=1.5)
    await worker.start()
    handle, proposal_id = await propose(worker.stack)
    await approve(worker.stack, proposal_id)
    await served(worker.stack, "SetNodePoolSize", 1)
    await kill_and_restart(worker)
    await ends_well(worker, handle, proposal_id)
    assert (await worker.stack.receipt(proposal_id)).adopted


async def test_killed_while_the_operation_runs(worker: WorkerProcess) -> None:
    await worker.stack.fleet.admin.settings(operation=4.0)
    await worker.start()
    handle, proposal_id = await propose(worker.stack)
    await approve(worker.stack, proposal_id)

    async def issued() -> bool:
        intent = await worker.stack.intent(proposal_id)
        return intent is not None and intent.operation is not None

    await eventually(issued)
    await kill_and_restart(worker)
    await ends_well(worker, handle, proposal_id)


async def test_killed_before_verification(worker: WorkerProcess) -> None:
    await slow(worker.stack, "GetNodePool", skip=OBSERVATIONS_BEFORE_EXECUTION + 1)
    await worker.start()
    handle, proposal_id = await propose(worker.stack)
    await approve(worker.stack, proposal_id)
    await served(worker.stack, "GetNodePool", OBSERVATIONS_BEFORE_EXECUTION + 2)
    assert (await worker.stack.row(proposal_id)).state == S.VERIFYING
    await kill_and_restart(worker)
    await ends_well(worker, handle, proposal_id)


@pytest.mark.parametrize("after", [1, 2])
async def test_a_second_worker_beside_the_first_changes_nothing(worker: WorkerProcess, after: int) -> None:
    await worker.start()
    await worker.start()
    handle, proposal_id = await propose(worker.stack)
    await approve(worker.stack, proposal_id)
    if after == 1:
        await worker.kill()
    await ends_well(worker, handle, proposal_id)
