"""Temporal Schedules that start housekeeping: `sluice migrate` creates them, or brings them up to date."""

from __future__ import annotations

from datetime import timedelta

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleState,
    ScheduleUpdate,
    ScheduleUpdateInput,
)
from temporalio.common import Priority

from adapters.temporal.connection import CONNECT_TIMEOUT, our_errors
from adapters.temporal.search_attributes import typed
from contracts.messages import FLEET_SCHEDULE, FLEET_WORKFLOW, QUEUE_MAIN

EVERY = timedelta(seconds=60)
_CATCH_UP = timedelta(seconds=10)
"""A look that was missed is not made up for: the next one sees as much."""
_GIVE_UP = timedelta(minutes=2)
"""Without a worker a look would wait for ever, and SKIP would let no other begin."""


async def ensure(client: Client) -> None:
    """Create the schedules, or bring them up to date. One that an operator paused stays paused.

    Raises:
        WorkflowUnavailable: Temporal did not answer.
    """
    async with our_errors(2 * CONNECT_TIMEOUT):
        try:
            await client.create_schedule(FLEET_SCHEDULE, _fleet(ScheduleState()), trigger_immediately=True)
        except ScheduleAlreadyRunningError:
            await client.get_schedule_handle(FLEET_SCHEDULE).update(_renewed)


def _renewed(found: ScheduleUpdateInput) -> ScheduleUpdate:
    return ScheduleUpdate(schedule=_fleet(found.description.schedule.state))


def _fleet(state: ScheduleState) -> Schedule:
    return Schedule(
        action=ScheduleActionStartWorkflow(
            FLEET_WORKFLOW,
            id="fleet",
            task_queue=QUEUE_MAIN,
            run_timeout=_GIVE_UP,
            typed_search_attributes=typed({"SluiceKind": "fleet"}),
            static_summary="look at the fleet",
            priority=Priority(priority_key=5),
        ),
        spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=EVERY)]),
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=_CATCH_UP),
        state=state,
    )
