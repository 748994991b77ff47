"""A hold that lasts: it is looked at ever more seldom, and goes on in a new run once the history is long."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from temporalio.client import Client, RPCError

from adapters.store.database import Database
from contracts.decision import DecisionKind
from contracts.messages import WAKE_SIGNAL
from contracts.proposal import ProposalState
from local.bound import bound_command
from local.temporal import dev_server_command
from tests.contracts.samples import BEN
from tests.gke_fixtures import RunningEmulator
from tests.proposal_stack import CAROL, ProposalStack, eventually, proposal_stack, resize
from workflows import proposal


@pytest.fixture
def impatient_temporal(temporal_binary: Path, free_port: Callable[[], int]) -> Iterator[str]:
    """A server that suggests a continue-as-new after few events."""
    port = free_port()
    command = [
        *dev_server_command(temporal_binary, port=port),
        "--dynamic-config-value",
        "limit.historyCount.suggestContinueAsNew=30",
    ]
    process = subprocess.Popen(
        bound_command(command), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    yield f"127.0.0.1:{port}"
    process.terminate()
    process.wait(30)


async def answers(address: str) -> bool:
    try:
        await Client.connect(address)
    except (RuntimeError, RPCError):
        return False
    return True


async def test_a_long_hold_continues_as_new_and_ends_with_one_effect(
    impatient_temporal: str, database: Database, local_fleet: RunningEmulator
) -> None:
    await eventually(lambda: answers(impatient_temporal))
    async with proposal_stack(impatient_temporal, database, local_fleet) as stack:
        stack.guard.quorums, stack.guard.holds = [0], 12
        async with stack.working():
            handle = await stack.propose(resize(3))
            latest = stack.client.get_workflow_handle(handle.id)
            closing = asyncio.create_task(handle.result())
            while not closing.done():
                with contextlib.suppress(RPCError):  # closed meanwhile
                    await latest.signal(WAKE_SIGNAL)
                await asyncio.wait([closing], timeout=0.1)
            closed = await closing
        first = stack.client.get_workflow_handle(handle.id, run_id=handle.first_execution_run_id)
        events = (await first.fetch_history()).events
        assert closed.state is ProposalState.SUCCEEDED
        assert events[-1].HasField("workflow_execution_continued_as_new_event_attributes")
        assert stack.sizes_set() == [3]


async def test_a_vote_given_before_a_continue_as_new_can_be_withdrawn_after_it(
    impatient_temporal: str, database: Database, local_fleet: RunningEmulator
) -> None:
    await eventually(lambda: answers(impatient_temporal))
    async with proposal_stack(impatient_temporal, database, local_fleet) as stack, stack.working():
        stack.guard.holds = 1_000
        handle = await stack.propose(resize(3))
        name, latest = handle.id.removeprefix("proposal/"), stack.client.get_workflow_handle(handle.id)
        await stack.until(name, ProposalState.AWAITING_APPROVAL)
        await stack.decide(name, BEN)

        async def goes_on_in_a_new_run() -> bool:
            await latest.signal(WAKE_SIGNAL)
            return (await latest.describe()).run_id != handle.first_execution_run_id

        await eventually(goes_on_in_a_new_run)
        stack.guard.quorums = [2]
        await latest.signal(WAKE_SIGNAL)
        await stack.until(name, ProposalState.AWAITING_APPROVAL)
        assert (await stack.decide(name, BEN, DecisionKind.WITHDRAW)).approvals == 0
        assert (await stack.decide(name, CAROL)).state == "awaiting_approval"
        await latest.terminate()


async def test_a_hold_that_lasts_is_looked_at_ever_more_seldom(
    stack: ProposalStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    shortest, longest = timedelta(milliseconds=1), timedelta(milliseconds=2)
    monkeypatch.setattr(proposal, "SLOW_TIMER", shortest)
    monkeypatch.setattr(proposal, "SLOWEST", longest)
    stack.guard.quorums, stack.guard.holds = [0], 6
    async with stack.working():
        handle = await stack.propose(resize(3))
        closed = await handle.result()
    started = [one.timer_started_event_attributes for one in (await handle.fetch_history()).events]
    pauses = [one.start_to_fire_timeout.ToTimedelta() for one in started if one.timer_id]
    assert closed.state is ProposalState.SUCCEEDED
    assert len(pauses) == 6
    assert (pauses[0], pauses[-1]) == (shortest, longest)
    assert pauses == sorted(pauses)
