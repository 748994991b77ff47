"""Housekeeping: one round of everything that must happen although nobody asks. A Temporal Schedule starts it.

It is not on the path of any proposal, and is served after all of them.
"""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow
from temporalio.common import Priority

with workflow.unsafe.imports_passed_through():
    from contracts.messages import HOUSEKEEPING_WORKFLOW, Swept
    from workflows import retry_policies

LAST = Priority(priority_key=5)
_ROUND_TIMEOUT = timedelta(seconds=50)


@workflow.defn(name=HOUSEKEEPING_WORKFLOW)
class HousekeepingWorkflow:
    """sweep once. The next round is the retry."""

    @workflow.run
    async def run(self) -> Swept:
        """Return what each sweep found to do."""
        swept: Swept = await workflow.execute_activity(
            "sweep",
            result_type=Swept,
            start_to_close_timeout=_ROUND_TIMEOUT,
            schedule_to_close_timeout=_ROUND_TIMEOUT,
            retry_policy=retry_policies.ONCE,
            priority=LAST,
            summary="housekeeping",
        )
        workflow.set_current_details(", ".join(f"{name}: {count}" for name, count in swept.done.items()))
        return swept
