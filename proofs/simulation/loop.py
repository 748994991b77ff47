"""An event loop with a clock of its own, in which everything happens in an order that the seed alone decides.

Time stands still while anything can run, and while the database works. When nothing is left to do, a scheduler
says who goes on; only when nobody can, time jumps to the next timer.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

_T = TypeVar("_T")


class _Selector(selectors.EpollSelector):
    """Asks the sockets only while the database works; otherwise the scheduler, then the clock."""

    def __init__(self) -> None:
        super().__init__()
        self.loop: VirtualLoop | None = None

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        loop = self.loop
        if loop is None or (timeout is not None and timeout <= 0):
            return []
        if loop.at_sockets:
            return super().select()
        if loop.scheduler is not None and loop.scheduler():
            return []
        if timeout is None:
            raise NothingLeftError("nobody can go on, and no timer is set")
        loop.now += timeout
        return []


class NothingLeftError(RuntimeError):
    """Everybody waits for somebody else."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """`now` is its clock, in seconds since it was made. `at_sockets` counts who waits for the database."""

    def __init__(self) -> None:
        """Begin at zero, without a scheduler."""
        selector = _Selector()
        self.now = 0.0
        self.at_sockets = 0
        self.scheduler: Callable[[], bool] | None = None
        """Lets one of those who wait go on; false when nobody does."""
        super().__init__(selector)
        selector.loop = self

    def time(self) -> float:
        """Return the virtual time."""
        return self.now


def running_loop() -> VirtualLoop:
    """Return the loop of the simulation.

    Raises:
        TypeError: another kind of loop runs.
    """
    loop = asyncio.get_running_loop()
    if not isinstance(loop, VirtualLoop):
        raise TypeError("this belongs into a virtual loop")
    return loop


def run_virtually(work: Coroutine[Any, Any, _T]) -> _T:
    """Run a coroutine under a virtual clock and return its result."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)
