"""REQUEST → PROPOSAL: nodes that take long tell Temporal that they live, so that a killed worker is noticed soon."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any, ParamSpec, TypeVar

from temporalio import activity

HEARTBEAT_TIMEOUT = timedelta(seconds=8)
"""After this much silence another worker takes the node over."""
_EVERY_SECONDS = 2.0

P = ParamSpec("P")
R = TypeVar("R")


def heartbeating(node: Callable[P, Coroutine[Any, Any, R]]) -> Callable[P, Coroutine[Any, Any, R]]:
    """Decorate a method that runs as a node. Outside of an activity it changes nothing."""

    @functools.wraps(node)
    async def alive(*args: P.args, **kwargs: P.kwargs) -> R:
        if not activity.in_activity():
            return await node(*args, **kwargs)
        beating = asyncio.create_task(_beat())
        try:
            return await node(*args, **kwargs)
        finally:
            beating.cancel()

    return alive


async def _beat() -> None:
    while True:
        activity.heartbeat()
        await asyncio.sleep(_EVERY_SECONDS)
