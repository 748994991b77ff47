"""What runs beside the API (docs/adr/0006): dispatchers, sequencer, halt settling, breakers, and a listener.

Each loop is restarted with a growing, jittered pause when the database or Temporal goes away, and for any defect too:
an outbox that nobody empties is worse than a repeated error in the log. Cancelling ends it at once; nothing is lost,
since every step is a transaction or is delivered again.
"""

from __future__ import annotations

import asyncio
import copy
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type
from tenacity.wait import wait_base, wait_random_exponential

from adapters.dispatch.dispatcher import Dispatcher
from adapters.store import audit_log, idempotency, outbox, outbox_queue
from adapters.store.database import Database
from adapters.store.listen import listen
from adapters.store.sequencer import Sequencer
from contracts.errors import SluiceError

Loop = Callable[[], Awaitable[None]]
"""Runs until it is cancelled."""
SettleHalts = Callable[[AsyncConnection], Awaitable[object]]
"""Makes drained halts effective, in the given transaction."""

CoolBreakers = Callable[[AsyncConnection], Awaitable[object]]
"""Lets the probes of breakers go whose time is over, in the given transaction."""

HALT_PERIOD = timedelta(seconds=1)
BREAKER_PERIOD = timedelta(seconds=1)
HOUSEKEEPING_PERIOD = timedelta(hours=1)
OUTBOX_KEPT = timedelta(days=7)
"""How long delivered and given-up rows stay to be looked at."""
STEADY = timedelta(seconds=30)
"""A loop that ran this long starts its pauses anew when it fails."""

_log = structlog.get_logger(__name__)


def background_loops(
    database: Database,
    sequencer: Sequencer,
    dispatchers: tuple[Dispatcher, ...],
    settle_halts: SettleHalts,
    cool_breakers: CoolBreakers | None = None,
) -> tuple[Loop, ...]:
    """Return every loop, each already restarting itself. Several processes may run them side by side."""

    def wake_dispatchers(payload: str) -> None:
        for dispatcher in dispatchers:
            dispatcher.wake(payload)

    async def hear() -> None:
        channels: dict[str, Callable[[str], None]] = {
            audit_log.AUDIT_CHANNEL: sequencer.wake,
            outbox.OUTBOX_CHANNEL: wake_dispatchers,
        }
        await listen(database, channels)

    async def settle() -> None:
        async with database.transaction() as connection:
            await settle_halts(connection)

    async def cool() -> None:
        async with database.transaction() as connection:
            if cool_breakers is not None:
                await cool_breakers(connection)

    async def tidy() -> None:
        async with database.transaction() as connection:
            await idempotency.forget_old(connection)
            await outbox_queue.forget_done(connection, OUTBOX_KEPT)

    works: list[tuple[str, Loop]] = [
        ("listener", hear),
        ("sequencer", sequencer.run),
        *((f"dispatcher-{number}", one.run) for number, one in enumerate(dispatchers, start=1)),
        ("halts", periodic(settle, HALT_PERIOD)),
        ("breakers", periodic(cool, BREAKER_PERIOD)),
        ("housekeeping", periodic(tidy, HOUSEKEEPING_PERIOD)),
    ]
    return tuple(restarting(name, work) for name, work in works)


def periodic(work: Loop, period: timedelta) -> Loop:
    """Return a loop that does `work` again and again, `period` after the last one ended."""

    async def loop() -> None:
        while True:
            await work()
            await asyncio.sleep(period.total_seconds())

    return loop


def restarting(
    name: str,
    work: Loop,
    *,
    first: timedelta = timedelta(seconds=0.2),
    longest: timedelta = timedelta(seconds=10),
) -> Loop:
    """Return a loop that starts `work` anew whenever it raises."""

    async def loop() -> None:
        pauses = _Pauses(wait_random_exponential(first.total_seconds(), longest.total_seconds()))
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(Exception),
            wait=pauses,
            before_sleep=lambda state: _report(name, state),
        )
        await retrying(_began(work, pauses))

    return loop


class _Pauses(wait_base):
    """Grows with the failures in a row; a steady run in between ends the row."""

    def __init__(self, inner: wait_base) -> None:
        self._inner = inner
        self._in_a_row = 0
        self.began = time.monotonic()

    def __call__(self, retry_state: RetryCallState) -> float:
        was_steady = time.monotonic() - self.began >= STEADY.total_seconds()
        self._in_a_row = 1 if was_steady else self._in_a_row + 1
        state = copy.copy(retry_state)
        state.attempt_number = self._in_a_row
        return self._inner(state)


def _began(work: Loop, pauses: _Pauses) -> Loop:
    async def run() -> None:
        pauses.began = time.monotonic()
        await work()

    return run


def _report(name: str, state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, SluiceError):
        _log.warning(
            "a loop starts anew", loop=name, reason_code=error.reason_code, attempt=state.attempt_number
        )
    else:
        _log.error("a loop failed and starts anew", loop=name, attempt=state.attempt_number, exc_info=error)
