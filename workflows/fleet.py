"""Housekeeping: one look at the whole fleet, so that people see it. A Temporal Schedule starts it every minute.

It is not on the path of any proposal, and is served after all of them.
"""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow
from temporalio.common import Priority

with workflow.unsafe.imports_passed_through():
    from contracts.messages import FLEET_WORKFLOW, FleetLook
    from workflows import retry_policies

LAST = Priority(priority_key=5)
_LOOK_TIMEOUT = timedelta(seconds=50)
"""More than the activity gives itself, less than the time until the next look."""


@workflow.defn(name=FLEET_WORKFLOW)
class FleetWorkflow:
    """look at every registered pool once. The next one is the retry."""

    @workflow.run
    async def run(self) -> FleetLook:
        """Return how many pools were seen."""
        looked: FleetLook = await workflow.execute_activity(
            "observe_fleet",
            result_type=FleetLook,
            start_to_close_timeout=_LOOK_TIMEOUT,
            schedule_to_close_timeout=_LOOK_TIMEOUT,
            retry_policy=retry_policies.ONCE,
            priority=LAST,
            summary="look at the fleet",
        )
        workflow.set_current_details(f"**{looked.seen} pools seen**, {looked.failed} not read")
        return looked
