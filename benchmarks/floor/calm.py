"""Leaves processes alone until they are calm: a new Temporal server takes its shards, which costs more than changes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

from benchmarks.floor.processor import seconds_of
from proofs.report import say

CALM = 0.1
"""Seconds of processor in a second, below which a Temporal server with its database has nothing left to begin."""
LOOK_EVERY = 2.0
WITHIN = 120.0
UNREST: list[str] = []
"""What did not come to rest in this process's time, in words: the notes of its report end with that."""


async def settle(
    pids: Sequence[int],
    *,
    below: float = CALM,
    used: Callable[[Sequence[int]], float] = seconds_of,
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Return once these processes use less than that, twice in a row, or `WITHIN` is over: then `UNREST` says so."""
    began = clock()
    before, at = used(pids), began
    calm = 0
    while calm < 2:
        await pause(LOOK_EVERY)
        now, moment = used(pids), clock()
        share = (now - before) / (moment - at)
        calm = calm + 1 if share < below else 0
        before, at = now, moment
        if calm < 2 and moment - began > WITHIN:
            UNREST.append(
                f"Begun though the server was not calm after {moment - began:.0f} s: {share:.2f} s of processor in a "
                "second."
            )
            say(UNREST[-1])
            return
    say(f"calm after {at - began:.0f} s: {share:.2f} s of processor in a second")
