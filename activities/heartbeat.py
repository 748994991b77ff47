"""Heartbeats beside a long activity: a lost worker is noticed within seconds, whatever the activity waits for."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from temporalio import activity

HEARTBEAT_EVERY = timedelta(seconds=1)


class Pulse:
    """What the heartbeats carry: the provider's operation once it is known."""

    def __init__(self) -> None:
        """Begin without a detail."""
        self.detail = ""

    def beat(self) -> None:
        """Send one heartbeat."""
        activity.heartbeat(self.detail)


@asynccontextmanager
async def beating(every: timedelta = HEARTBEAT_EVERY) -> AsyncIterator[Pulse]:
    """Heartbeat at this interval until the block ends: what is over before the first one costs the server none."""
    pulse = Pulse()

    async def beat() -> None:
        while True:
            await asyncio.sleep(every.total_seconds())
            pulse.beat()

    task = asyncio.create_task(beat())
    try:
        yield pulse
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
