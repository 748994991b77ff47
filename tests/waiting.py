"""Waiting in tests for what must come.

Whoever waits here is told as soon as it is there. The limit only says when a test gives up, so it is long: a machine
that runs other tests beside may be ten times slower than a quiet one.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import TypeVar

import httpx

T = TypeVar("T")

WITHIN = 60.0
"""Seconds."""
_SHORT, _LONG = 0.02, 0.2


async def eventually(
    ask: Callable[[], Awaitable[T]], *, limit: float = WITHIN, pause: float | None = None
) -> T:
    """Ask until the answer is true and return it. What `ask` raises of HTTP or the network means: not yet.

    Without `pause` it asks often at first, and then less and less: what takes long is not kept from its work.
    """
    end = asyncio.get_running_loop().time() + limit
    nap = _SHORT if pause is None else pause
    while True:
        with contextlib.suppress(httpx.HTTPError, OSError):
            if answer := await ask():
                return answer
        if asyncio.get_running_loop().time() > end:
            raise TimeoutError(f"not within {limit} s: {ask}")
        await asyncio.sleep(nap)
        if pause is None:
            nap = min(nap * 1.1, _LONG)


async def until(holds: Callable[[], bool], *, limit: float = WITHIN) -> None:
    """Look until it holds."""

    async def looked() -> bool:
        return holds()

    await eventually(looked, limit=limit)
