"""HousekeepingWorkflow and its schedule on a real Temporal server, with the real activity over sweeps that stand in."""

from __future__ import annotations

import asyncio
import uuid

import pytest
from temporalio import activity
from temporalio.client import Client, ScheduleOverlapPolicy, WorkflowFailureError
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from activities.errors import ErrorTranslation
from activities.housekeeping.activities import HousekeepingActivities
from adapters.temporal import schedules
from contracts.errors import StoreUnavailable
from contracts.messages import (
    FLEET_SCHEDULE,
    HOUSEKEEPING_SCHEDULE,
    HOUSEKEEPING_WORKFLOW,
    QUEUE_MAIN,
    Swept,
)
from tests.history_cost import Cost, cost_of
from worker import Activity, workflow_runner
from workflows.housekeeping import HousekeepingWorkflow


class Sweeping:
    """Two sweeps: one finds five things, the other has no database."""

    def __init__(self) -> None:
        self.rounds = 0
        self.swept = asyncio.Event()

    async def five(self) -> int:
        self.rounds += 1
        self.swept.set()
        return 5

    async def lost(self) -> int:
        raise StoreUnavailable("down")

    @property
    def activity(self) -> Activity:
        return HousekeepingActivities({"five": self.five, "lost": self.lost}).sweep


def worker(client: Client, sweep: Activity, queue: str) -> Worker:
    return Worker(
        client,
        task_queue=queue,
        workflows=[HousekeepingWorkflow],
        activities=[sweep],
        workflow_runner=workflow_runner(),
        interceptors=[ErrorTranslation()],
    )


@pytest.fixture
async def client(temporal_address: str) -> Client:
    return await Client.connect(temporal_address, data_converter=pydantic_data_converter)


async def test_a_round_is_one_activity_and_costs_as_much_as_a_look_at_the_fleet(client: Client) -> None:
    sweeping, queue = Sweeping(), f"housekeeping-{uuid.uuid4().hex}"
    async with worker(client, sweeping.activity, queue):
        handle = await client.start_workflow(
            HOUSEKEEPING_WORKFLOW, id=queue, task_queue=queue, result_type=Swept
        )
        assert await handle.result() == Swept(done={"five": 5}, failed=("lost",))
    assert await cost_of(handle) == Cost(events=11, actions=2)


async def test_a_round_that_fails_is_not_tried_again(client: Client) -> None:
    rounds, queue = [], f"housekeeping-{uuid.uuid4().hex}"

    @activity.defn
    async def sweep() -> Swept:
        rounds.append(1)
        raise ApplicationError("no", type="store_unavailable")

    async with worker(client, sweep, queue):
        handle = await client.start_workflow(HOUSEKEEPING_WORKFLOW, id=queue, task_queue=queue)
        with pytest.raises(WorkflowFailureError):
            await handle.result()
    assert len(rounds) == 1


async def test_the_schedule_is_made_once_sweeps_at_once_and_stays_paused(client: Client) -> None:
    sweeping, handle = Sweeping(), client.get_schedule_handle(HOUSEKEEPING_SCHEDULE)
    try:
        await schedules.ensure(client)
        async with worker(client, sweeping.activity, QUEUE_MAIN):
            async with asyncio.timeout(60):
                await sweeping.swept.wait()
        await handle.pause(note="maintenance")
        await schedules.ensure(client)
        described = await handle.describe()
        assert described.schedule.state.paused
        assert described.schedule.policy.overlap is ScheduleOverlapPolicy.SKIP
        assert [interval.every for interval in described.schedule.spec.intervals] == [schedules.ROUND_EVERY]
    finally:
        await handle.delete()
        await client.get_schedule_handle(FLEET_SCHEDULE).delete()
