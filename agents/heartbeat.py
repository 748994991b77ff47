"""REQUEST → PROPOSAL: nodes that take long tell Temporal that they live, so that a killed worker is noticed soon.

A node may say with it what it has so far (`tell`): the text that a model is writing travels to people who watch in the
details of heartbeats, which leave no event in the history and need no database.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from datetime import timedelta
from typing import Any, ParamSpec, TypeVar

from temporalio import activity

HEARTBEAT_TIMEOUT = timedelta(seconds=8)
"""After this much silence another worker takes the node over."""
_EVERY_SECONDS = 2.0

P = ParamSpec("P")
R = TypeVar("R")


class _Pulse:
    """Beats at once, whenever there is something new to tell, and else now and then."""

    def __init__(self) -> None:
        self._told: str | None = None
        self._news = asyncio.Event()

    def tell(self, text: str) -> None:
        if text != self._told:
            self._told = text
            self._news.set()

    async def beat(self) -> None:
        while True:
            self._news.clear()
            # Without details the first beat also wipes what an attempt before this one had told.
            activity.heartbeat(*([] if self._told is None else [self._told]))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_EVERY_SECONDS):
                    await self._news.wait()


_pulse: ContextVar[_Pulse | None] = ContextVar("_pulse", default=None)


def tell(text: str) -> None:
    """Put what the running node has so far into its heartbeat. Outside of a node it changes nothing."""
    pulse = _pulse.get()
    if pulse is not None:
        pulse.tell(text)


def heartbeating(node: Callable[P, Coroutine[Any, Any, R]]) -> Callable[P, Coroutine[Any, Any, R]]:
    """Decorate a method that runs as a node. Outside of an activity it changes nothing."""

    @functools.wraps(node)
    async def alive(*args: P.args, **kwargs: P.kwargs) -> R:
        if not activity.in_activity():
            return await node(*args, **kwargs)
        pulse = _Pulse()
        beating = asyncio.create_task(pulse.beat())
        outer = _pulse.set(pulse)
        try:
            return await node(*args, **kwargs)
        finally:
            _pulse.reset(outer)
            beating.cancel()

    return alive
