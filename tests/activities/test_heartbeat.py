"""What a long activity says to the server meanwhile, and what a short one does not."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from temporalio.testing import ActivityEnvironment

from activities.heartbeat import beating


async def beats_of(seconds: float, every: timedelta) -> list[str]:
    environment = ActivityEnvironment()
    beats: list[str] = []
    environment.on_heartbeat = beats.append

    async def work() -> None:
        async with beating(every) as pulse:
            pulse.detail = "operation-1"
            await asyncio.sleep(seconds)

    await environment.run(work)
    return beats


async def test_work_that_takes_long_says_again_and_again_what_it_waits_for() -> None:
    beats = await beats_of(0.2, every=timedelta(milliseconds=10))
    assert len(beats) >= 2
    assert set(beats) == {"operation-1"}


async def test_work_that_is_over_before_its_first_beat_costs_the_server_none() -> None:
    assert await beats_of(0.01, every=timedelta(minutes=1)) == []
