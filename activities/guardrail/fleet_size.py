"""Before a guard pass: how many nodes the whole fleet has, counted now and then instead of in every pass.

The count comes with the read that a pass begins with anyway. It is as old as the last look at the fleet, so half a
minute more makes no difference.
"""

from __future__ import annotations

import time
from collections.abc import Callable

COUNT_EVERY = 30.0
"""Seconds."""


class FleetSize:
    """The newest count by tenant. Not for use by more than one event loop."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin without any count."""
        self._clock = clock
        self._counted_at: float | None = None
        self._nodes: dict[str, int | None] = {}

    def is_due(self) -> bool:
        """Tell whether the next read is to count."""
        return self._counted_at is None or self._clock() - self._counted_at >= COUNT_EVERY

    def take(self, tenant: str, counted: int | None) -> None:
        """Keep what a read counted just now; None = it cannot be known now."""
        self._counted_at = self._clock()
        self._nodes = {tenant: counted}

    def of(self, tenant: str) -> int | None:
        """Return the tenant's newest count; None = unknown."""
        return self._nodes.get(tenant)
