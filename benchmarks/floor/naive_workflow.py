"""The path as a user would write it on plain Temporal: one regular activity per gate, an Update that approves."""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow

from benchmarks.floor.steps import AFTERWARDS, GATES

QUEUE = "naive"
EFFECT_LIMIT = 20
"""Seconds after which the server takes an effect for lost. A real node pool needs minutes, so would this."""


@workflow.defn(name="NaiveWorkflow")
class NaiveWorkflow:
    """Gates, a person, the gates again, the effect, a look at what came of it."""

    def __init__(self) -> None:
        """Begin unapproved."""
        self._approved = False

    @workflow.run
    async def run(self, change_id: str) -> str:
        """Return how it ended."""
        await self._judge(change_id, 1)
        try:
            await workflow.wait_condition(lambda: self._approved, timeout=timedelta(hours=4))
        except TimeoutError:
            return "expired"
        await self._judge(change_id, 2)
        for step in AFTERWARDS:
            await self._do(step, change_id, limit=EFFECT_LIMIT)
        return "done"

    @workflow.update
    def approve(self, reviewer: str) -> None:
        """Take an approval."""
        self._approved = True

    @approve.validator
    def _once(self, reviewer: str) -> None:
        if self._approved or not reviewer:
            raise ValueError("approved already")

    async def _judge(self, change_id: str, number: int) -> None:
        for gate in GATES:
            await self._do(gate, change_id, number, limit=10)

    async def _do(self, name: str, *given: object, limit: int) -> None:
        await workflow.execute_activity(name, args=given, start_to_close_timeout=timedelta(seconds=limit))
