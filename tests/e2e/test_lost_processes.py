"""Temporal, the API and PostgreSQL are killed with SIGKILL; the supervisor starts them again and nothing is lost.

The worker's own deaths are in `test_kills.py`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from emulators.gke.faults import FaultKind
from tests.e2e.practice_ground import PRODUCTION, Place
from tests.e2e.stack import Stack, eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

RESIZE = "SetNodePoolSize"


@dataclass(frozen=True)
class Running:
    """A proposal whose operation runs at the provider until a test ends it."""

    place: Place
    proposal_id: str
    operation: str


async def running(stack: Stack) -> Running:
    place = stack.place()
    await stack.admin.add_fault(RESIZE, FaultKind.STUCK, cluster=place.name)
    proposal_id = await stack.propose(place.resize(2))

    async def accepted() -> Any:
        return stack.calls(place).accepted(RESIZE)

    [call] = await eventually(accepted)
    return Running(place, proposal_id, call.operation)


async def waiting(stack: Stack) -> tuple[Place, str]:
    place = stack.place(PRODUCTION)
    proposal_id = await stack.propose(place.resize(2))
    await stack.until(proposal_id, "awaiting_approval")
    return place, proposal_id


async def succeeded_once(stack: Stack, place: Place, proposal_id: str) -> None:
    await stack.until(proposal_id, "succeeded")
    assert stack.sizes_set(place) == [2]
    assert (await stack.budget(place))[0] == 0


@pytest.mark.parametrize("part", ["temporal", "postgres"])
async def test_a_part_that_dies_takes_neither_what_waits_nor_what_runs_with_it(
    rough_stack: Stack, part: str
) -> None:
    stack = rough_stack
    place, waits = await waiting(stack)
    runs = await running(stack)
    await stack.restart(part)
    await stack.admin.finish_operation(runs.operation)
    await stack.approve(waits)
    await succeeded_once(stack, place, waits)
    await succeeded_once(stack, runs.place, runs.proposal_id)


async def test_temporal_lost_twice_while_operations_run_repeats_none_of_them(rough_stack: Stack) -> None:
    stack = rough_stack
    runs = await running(stack)
    await stack.restart("temporal")
    await asyncio.sleep(0.5)
    await stack.restart("temporal")
    await stack.admin.finish_operation(runs.operation)
    await succeeded_once(stack, runs.place, runs.proposal_id)
    assert len(stack.calls(runs.place).of(RESIZE)) == 1


async def test_a_decision_that_was_applied_survives_the_api_that_took_it(rough_stack: Stack) -> None:
    stack = rough_stack
    place, proposal_id = await waiting(stack)
    assert (await stack.decide(proposal_id)).status_code == 200
    await stack.kill("api")
    await stack.back("api")
    await succeeded_once(stack, place, proposal_id)
    [vote] = (await stack.show(proposal_id))["approvals"]
    assert vote["status"] == "applied"


async def test_a_decision_that_was_only_recorded_is_delivered_by_the_next_api(rough_stack: Stack) -> None:
    """Temporal does not answer, so the API says 202; then it dies before it could deliver."""
    stack = rough_stack
    place, proposal_id = await waiting(stack)
    with stack.frozen("temporal"):
        answer = await stack.decide(proposal_id)
        assert (answer.status_code, answer.json()["status"]) == (202, "recorded")
        await stack.kill("api")
        assert stack.sizes_set(place) == []
    await stack.back("api")
    await succeeded_once(stack, place, proposal_id)
    again = await stack.decide(proposal_id)
    assert again.status_code == 409


async def test_a_proposal_that_temporal_never_heard_of_is_started_by_the_next_api(rough_stack: Stack) -> None:
    stack = rough_stack
    place = stack.place()
    with stack.frozen("temporal"):
        proposal_id = await stack.propose(place.resize(2))
        await stack.kill("api")
    await stack.back("api")
    await succeeded_once(stack, place, proposal_id)


async def test_everything_killed_at_once_goes_on_where_it_was(rough_stack: Stack) -> None:
    stack = rough_stack
    place, waits = await waiting(stack)
    runs = await running(stack)
    for part in ("temporal", "postgres", "worker", "api"):
        await stack.kill(part)
    for part in ("postgres", "temporal", "worker", "api"):
        await stack.back(part)
    await stack.admin.finish_operation(runs.operation)
    await stack.approve(waits)
    await succeeded_once(stack, place, waits)
    await succeeded_once(stack, runs.place, runs.proposal_id)
