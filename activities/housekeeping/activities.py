"""One round of housekeeping: every sweep once, each in transactions of its own. `HousekeepingWorkflow` runs it.

A sweep is safe to repeat and to run beside itself. One that fails, whatever the reason, or takes too long is logged and
named in the result; the others go on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta

import structlog
from temporalio import activity

from contracts.errors import SluiceError
from contracts.messages import Swept

logger = structlog.get_logger(__name__)

Sweep = Callable[[], Awaitable[int]]
"""Does what is due and returns how many things it did."""


WITHIN = timedelta(seconds=10)
"""What each sweep gets, so that one that hangs keeps no other from its turn."""


class HousekeepingActivities:
    """Registered on the main queue."""

    def __init__(self, sweeps: Mapping[str, Sweep], *, within: timedelta = WITHIN) -> None:
        """`sweeps`: name → sweep, run in this order, each ended after `within`."""
        self._sweeps = dict(sweeps)
        self._within = within

    @activity.defn
    async def sweep(self) -> Swept:
        """Run every sweep once."""
        done: dict[str, int] = {}
        failed: list[str] = []
        for name, sweep in self._sweeps.items():
            try:
                async with asyncio.timeout(self._within.total_seconds()):
                    done[name] = await sweep()
            except SluiceError as error:
                logger.warning("housekeeping.sweep_failed", sweep=name, reason_code=error.reason_code)
                failed.append(name)
            except Exception:  # a defect in one sweep must not end the others
                logger.exception("housekeeping.sweep_failed", sweep=name)
                failed.append(name)
        return Swept(done=done, failed=tuple(failed))
