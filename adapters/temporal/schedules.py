"""Temporal Schedules that start housekeeping: `sluice migrate` creates them, or brings them up to date."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial

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
from temporalio.service import RPCError, RPCStatusCode
from tenacity import retry, retry_if_exception, stop_after_delay, wait_fixed

from adapters.temporal.connection import CONNECT_TIMEOUT, our_errors
from adapters.temporal.search_attributes import to_be_added, typed
from contracts.messages import (
    FLEET_SCHEDULE,
    FLEET_WORKFLOW,
    HOUSEKEEPING_SCHEDULE,
    HOUSEKEEPING_WORKFLOW,
    QUEUE_MAIN,
)

EVERY = timedelta(seconds=60)
"""Between two looks at the fleet."""
ROUND_EVERY = timedelta(seconds=30)
"""Between two rounds of housekeeping."""
_CATCH_UP = timedelta(seconds=10)
"""A look that was missed is not made up for: the next one sees as much."""
_KNOWN_WITHIN = timedelta(seconds=30)
"""A cluster refreshes what it knows of search attributes every ten seconds; the dev server knows at once."""
_GIVE_UP = timedelta(minutes=2)
"""Without a worker a look would wait for ever, and SKIP would let no other begin."""


async def ensure(client: Client) -> None:
    """Create the schedules, or bring them up to date. One that an operator paused stays paused.

    Search attributes that were registered just now are waited for: a cluster learns of them some seconds later.

    Raises:
        WorkflowUnavailable: Temporal did not answer.
        ConfigurationInvalid: the namespace does not have our search attributes; the message says which.
    """
    async with our_errors(2 * CONNECT_TIMEOUT + _KNOWN_WITHIN):
        for schedule_id, schedule in _SCHEDULES.items():
            try:
                await _ensure(client, schedule_id, schedule)
            except RPCError as error:
                if _is_too_early(error):
                    raise to_be_added(client) from error
                raise


def _is_too_early(error: BaseException) -> bool:
    """Tell whether the namespace does not know our search attributes yet."""
    return (
        isinstance(error, RPCError)
        and error.status is RPCStatusCode.INVALID_ARGUMENT
        and "no mapping defined for search attribute" in error.message
    )


@retry(
    retry=retry_if_exception(_is_too_early),
    wait=wait_fixed(1),
    stop=stop_after_delay(_KNOWN_WITHIN.total_seconds()),
    reraise=True,
)
async def _ensure(client: Client, schedule_id: str, schedule: Callable[[ScheduleState], Schedule]) -> None:
    try:
        await client.create_schedule(schedule_id, schedule(ScheduleState()), trigger_immediately=True)
    except ScheduleAlreadyRunningError:
        await client.get_schedule_handle(schedule_id).update(partial(_renewed, schedule))


def _renewed(schedule: Callable[[ScheduleState], Schedule], found: ScheduleUpdateInput) -> ScheduleUpdate:
    return ScheduleUpdate(schedule=schedule(found.description.schedule.state))


def _fleet(state: ScheduleState) -> Schedule:
    return _every(EVERY, FLEET_WORKFLOW, "fleet", "look at the fleet", state)


def _housekeeping(state: ScheduleState) -> Schedule:
    return _every(ROUND_EVERY, HOUSEKEEPING_WORKFLOW, "housekeeping", "housekeeping", state)


_SCHEDULES: Mapping[str, Callable[[ScheduleState], Schedule]] = {
    FLEET_SCHEDULE: _fleet,
    HOUSEKEEPING_SCHEDULE: _housekeeping,
}


def _every(interval: timedelta, workflow: str, kind: str, summary: str, state: ScheduleState) -> Schedule:
    return Schedule(
        action=ScheduleActionStartWorkflow(
            workflow,
            id=kind,
            task_queue=QUEUE_MAIN,
            run_timeout=_GIVE_UP,
            typed_search_attributes=typed({"SluiceKind": kind}),
            static_summary=summary,
            priority=Priority(priority_key=5),
        ),
        spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=interval)]),
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=_CATCH_UP),
        state=state,
    )
