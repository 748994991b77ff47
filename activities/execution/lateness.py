"""EXECUTION after a call: finds one that a worker which had slept made too late, beside that of a newer attempt.

Between the last look at the fence and the call lies a moment that no check can close: whoever is stopped in it wakes up
and calls. Such a call cannot be prevented, so it is found: by the attempt that made it, which looks again when its
answer comes, or does not come. What it cannot find out is told too, by a reason code of its own: people look. A late
call without a newer attempt is found by whoever follows its operation (`activities.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

import structlog
from sqlalchemy.engine import Row

from activities.execution.attempt import Work
from activities.execution.conclusion import Conclusion
from activities.execution.recognition import CLOCK_SKEW, is_late, is_like
from adapters.store import intents
from adapters.store.database import Database
from contracts.effect import LATE_CALL, LATENESS_UNKNOWN, Intent
from contracts.errors import ProviderError, StoreUnavailable
from contracts.ports import NodePoolReader

logger = structlog.get_logger(__name__)
T = TypeVar("T")

PAUSE = 0.5
"""Seconds between two looks at what the newer attempt found, or at a database that is away."""
FINDS_WITHIN = 600.0
"""Seconds in which a newer attempt finds what this one began, or that this one began nothing. The attempt waits twice
as long for the look, which then goes on without it, for as long as the database is away."""


class Lateness:
    """Looks after calls. What it finds makes the proposal `dirty`, or pages where that is over already."""

    def __init__(self, database: Database, reader: NodePoolReader, conclusion: Conclusion) -> None:
        """All three are those of the attempt."""
        self._database = database
        self._reader = reader
        self._conclusion = conclusion
        self._looking: set[asyncio.Task[None]] = set()

    async def look(self, work: Work, intent: Intent, operation: str | None) -> None:
        """Look whether a newer attempt acts, and this one called beside it. `operation`: the answer, where one came.

        Goes on when the attempt is cancelled meanwhile, as Temporal does to a worker that was away, or waits no longer.
        Raises nothing of its own: the attempt has an error to raise already.
        """
        task = asyncio.create_task(self._look(work, intent, operation))
        self._looking.add(task)
        task.add_done_callback(self._looking.discard)
        _, looking = await asyncio.wait({task}, timeout=2 * FINDS_WITHIN)
        if looking:
            logger.critical("effect.lateness_unknown", key=intent.key, operation=operation)

    async def _look(self, work: Work, intent: Intent, operation: str | None) -> None:
        try:
            code, name = await self._judged(work, intent, operation)
        except Exception:
            # Whatever broke: a late call must not go unseen for it.
            logger.error("effect.lateness_unknown", key=intent.key, operation=operation, exc_info=True)
            code, name = LATENESS_UNKNOWN, operation
        if code is None:
            return
        try:
            await _patiently(partial(self._conclusion.late, intent, name, code))
        except Exception:
            # Nothing can be written: a line in the log is all that is left to say.
            logger.critical("effect.late_untold", key=intent.key, operation=name, exc_info=True)

    async def _judged(
        self, work: Work, intent: Intent, operation: str | None
    ) -> tuple[str | None, str | None]:
        """The reason code of what is to be told, None where nothing is, and the operation of the call."""
        if await _patiently(partial(self._is_current, intent)):
            return None, None
        await self._concluded(intent)
        return await self._find(work, intent, operation)

    async def _is_current(self, intent: Intent) -> bool:
        async with self._database.reading() as connection:
            return await intents.is_current(connection, intent.key, intent.fence)

    async def _concluded(self, intent: Intent) -> None:
        """Wait until the newer attempt has an operation, or knows that there is none."""
        for _ in range(int(FINDS_WITHIN / PAUSE)):
            await asyncio.sleep(PAUSE)
            record = await _patiently(partial(self._record, intent))
            if record is None or record.operation or record.receipt or record.settled_at:
                return

    async def _record(self, intent: Intent) -> Row[Any] | None:
        async with self._database.reading() as connection:
            return await intents.find(connection, intent.key)

    async def _find(self, work: Work, intent: Intent, operation: str | None) -> tuple[str | None, str | None]:
        try:
            found = await self._reader.list_operations(work.action.target)
        except ProviderError:
            return LATENESS_UNKNOWN, operation
        # The newer attempt waited until the deadline and has looked: a call that went out in time is its own.
        owned = await _patiently(partial(self._owned, [one.name for one in found]))
        mine = [one for one in found if one.name == operation] if operation else found
        # By the provider's clock, which may lag: better one too many than one that nobody saw.
        seen_until = intent.call_deadline - CLOCK_SKEW
        late = [
            one
            for one in mine
            if is_like(one, work.action) and is_late(one, seen_until) and one.name not in owned
        ]
        if operation and not mine:
            return LATENESS_UNKNOWN, operation
        return (LATE_CALL, late[0].name) if late else (None, None)

    async def _owned(self, operations: list[str]) -> set[str]:
        async with self._database.reading() as connection:
            return set(await intents.owned_operations(connection, operations))


async def _patiently(ask: Callable[[], Awaitable[T]]) -> T:
    """Ask again for as long as the database is away."""
    while True:
        try:
            return await ask()
        except StoreUnavailable:
            await asyncio.sleep(PAUSE)
