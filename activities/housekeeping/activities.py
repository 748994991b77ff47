"""One round of housekeeping: every sweep once, each in transactions of its own. `HousekeepingWorkflow` runs it.

A sweep is safe to repeat and to run beside itself. One that fails is logged and named in the result; the others go on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import structlog
from temporalio import activity

from contracts.errors import SluiceError
from contracts.messages import Swept

logger = structlog.get_logger(__name__)

Sweep = Callable[[], Awaitable[int]]
"""Does what is due and returns how many things it did."""


class HousekeepingActivities:
    """Registered on the main queue."""

    def __init__(self, sweeps: Mapping[str, Sweep]) -> None:
        """`sweeps`: name → sweep, run in this order."""
        self._sweeps = dict(sweeps)

    @activity.defn
    async def sweep(self) -> Swept:
        """Run every sweep once."""
        done: dict[str, int] = {}
        failed: list[str] = []
        for name, sweep in self._sweeps.items():
            try:
                done[name] = await sweep()
            except SluiceError as error:
                logger.warning("housekeeping.sweep_failed", sweep=name, reason_code=error.reason_code)
                failed.append(name)
        return Swept(done=done, failed=tuple(failed))
