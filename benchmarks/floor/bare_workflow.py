"""The floor: what durable execution with one human decision costs at least. A workflow, one Update, one activity."""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow

from benchmarks.floor.saying import tell

QUEUE = "floor"


@workflow.defn(name="FloorWorkflow")
class FloorWorkflow:
    """Wait for one decision, then do one thing that does nothing."""

    def __init__(self) -> None:
        """Begin undecided."""
        self._decided = False

    @workflow.run
    async def run(self, heard_at: str) -> float:
        """Return when the activity ran, in seconds of the epoch. `heard_at` is told that a decision is waited for."""
        if not workflow.unsafe.is_replaying():
            tell(heard_at, workflow.info().workflow_id)
        await workflow.wait_condition(lambda: self._decided)
        moment: float = await workflow.execute_activity(
            "act", result_type=float, start_to_close_timeout=timedelta(seconds=10)
        )
        return moment

    @workflow.update
    def decide(self, reviewer: str) -> None:
        """Take the decision."""
        self._decided = bool(reviewer)
