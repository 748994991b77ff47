"""FleetWorkflow and its schedule on a real Temporal server. The activity stands in: it has tests of its own."""

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
from adapters.temporal import schedules
from contracts.messages import FLEET_SCHEDULE, FLEET_WORKFLOW, HOUSEKEEPING_SCHEDULE, QUEUE_MAIN, FleetLook
from tests.history_cost import Cost, cost_of
from worker import workflow_runner
from workflows.fleet import FleetWorkflow

LOOKED = FleetLook(seen=13, failed=1, gone=0)


class Looking:
    """Stands in for `FleetActivities`."""

    def __init__(self) -> None:
        self.looks = 0
        self.looked = asyncio.Event()
        self.fails = False

    @activity.defn
    async def observe_fleet(self) -> FleetLook:
        self.looks += 1
        self.looked.set()
        if self.fails:
            raise ApplicationError("no", type="store_unavailable")
        return LOOKED


def worker(client: Client, looking: Looking, queue: str) -> Worker:
    return Worker(
        client,
        task_queue=queue,
        workflows=[FleetWorkflow],
        activities=[looking.observe_fleet],
        workflow_runner=workflow_runner(),
        interceptors=[ErrorTranslation()],
    )


@pytest.fixture
async def client(temporal_address: str) -> Client:
    return await Client.connect(temporal_address, data_converter=pydantic_data_converter)


async def test_a_look_is_one_activity_and_costs_what_the_page_says(client: Client) -> None:
    looking, queue = Looking(), f"fleet-{uuid.uuid4().hex}"
    async with worker(client, looking, queue):
        handle = await client.start_workflow(
            FLEET_WORKFLOW, id=queue, task_queue=queue, result_type=FleetLook
        )
        assert await handle.result() == LOOKED
    assert await cost_of(handle) == Cost(events=11, actions=2)


async def test_a_look_that_fails_is_not_tried_again(client: Client) -> None:
    looking, queue = Looking(), f"fleet-{uuid.uuid4().hex}"
    looking.fails = True
    async with worker(client, looking, queue):
        handle = await client.start_workflow(FLEET_WORKFLOW, id=queue, task_queue=queue)
        with pytest.raises(WorkflowFailureError):
            await handle.result()
    assert looking.looks == 1


async def test_the_schedule_is_made_once_looks_at_once_and_stays_paused(client: Client) -> None:
    looking, handle = Looking(), client.get_schedule_handle(FLEET_SCHEDULE)
    try:
        await schedules.ensure(client)
        async with worker(client, looking, QUEUE_MAIN):
            async with asyncio.timeout(60):
                await looking.looked.wait()
        await handle.pause(note="maintenance")
        await schedules.ensure(client)
        described = await handle.describe()
        assert described.schedule.state.paused
        assert described.schedule.policy.overlap is ScheduleOverlapPolicy.SKIP
        assert [interval.every for interval in described.schedule.spec.intervals] == [schedules.EVERY]
    finally:
        await handle.delete()
        await client.get_schedule_handle(HOUSEKEEPING_SCHEDULE).delete()
