"""Claims due outbox rows, delivers them outside any transaction, and notes what became of each.

Any number of dispatchers may run side by side, in one process or several.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta

import structlog
from opentelemetry import trace
from opentelemetry.propagate import extract
from pydantic import ValidationError

from adapters.dispatch.delivery import Backoff, Delivery, DeliveryFailed, Undeliverable
from adapters.store import outbox, outbox_queue
from adapters.store.database import Database
from adapters.store.outbox import OutboxKind
from adapters.store.outbox_queue import OutboxRow
from adapters.waking import set_within
from contracts.errors import NotFound, SluiceError, StoreUnavailable

POLL = timedelta(seconds=1)
LEASE = timedelta(seconds=30)
"""How long a claimed row stays away from others: longer than any delivery may take."""

_log = structlog.get_logger(__name__)
_tracer = trace.get_tracer(__name__)


class Dispatcher:
    """Delivers the kinds of rows it was given deliveries for, several at a time."""

    def __init__(
        self,
        database: Database,
        deliveries: Mapping[OutboxKind, Delivery],
        backoff: Backoff,
        *,
        slots: int = 16,
        lease: timedelta = LEASE,
    ) -> None:
        """Keep at most `slots` deliveries in flight."""
        self._database = database
        self._deliveries = deliveries
        self._backoff = backoff
        self._slots = slots
        self._lease = lease
        self._woken = asyncio.Event()
        self._in_flight: set[asyncio.Task[None]] = set()

    def wake(self, kind: str = "") -> None:
        """Look for due rows now, if rows of this kind are ours; empty: of any. Hears of `sluice_outbox`."""
        if not kind or kind in self._deliveries:
            self._woken.set()

    async def run(self) -> None:
        """Deliver until cancelled. What is in flight then is cut off, and delivered again by whoever runs next.

        Raises:
            StoreUnavailable: the database went away. Run again.
        """
        try:
            while True:
                self._woken.clear()
                free = self._slots - len(self._in_flight)
                rows = await self._claim(free) if free else []
                for row in rows:
                    task = asyncio.create_task(self._deliver(row), name=f"deliver {row.kind} {row.id}")
                    self._in_flight.add(task)
                    task.add_done_callback(self._landed)
                if not free or len(rows) < free:
                    await self._pause()
        finally:
            left = tuple(self._in_flight)
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    async def _pause(self) -> None:
        await set_within(self._woken, POLL.total_seconds())

    def _landed(self, task: asyncio.Task[None]) -> None:
        if len(self._in_flight) == self._slots:
            self._woken.set()
        self._in_flight.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            # A defect of ours: the lease brings the row back, the others go on.
            _log.error("a delivery crashed", task=task.get_name(), exc_info=error)

    async def _claim(self, limit: int) -> list[OutboxRow]:
        async with self._database.writing() as connection:
            return await outbox_queue.claim(connection, self._deliveries, limit=limit, lease=self._lease)

    async def _deliver(self, row: OutboxRow) -> None:
        context = extract(row.trace_context)
        name = f"dispatch {row.kind.value}"
        with _tracer.start_as_current_span(name, context=context, kind=trace.SpanKind.CONSUMER) as span:
            span.set_attribute("sluice.subject", row.subject)
            span.set_attribute("sluice.attempt", row.attempts)
            try:
                await self._deliveries[row.kind](row)
                async with self._database.writing() as connection:
                    await outbox.settle(connection, row.id)
            except StoreUnavailable as error:
                # The lease brings the row back.
                _log.warning("outbox row not settled", row=row.id, reason_code=error.reason_code)
            except (SluiceError, ValidationError) as error:
                await self._failed(row, error)

    async def _failed(self, row: OutboxRow, error: Exception) -> None:
        code = _code(error)
        delay = None if isinstance(error, (Undeliverable, NotFound)) else self._backoff.after(row.attempts)
        report = _log.error if delay is None else _log.info
        report(
            "gave up on an outbox row" if delay is None else "outbox row will be tried again",
            row=row.id,
            kind=row.kind.value,
            subject=row.subject,
            attempts=row.attempts,
            reason_code=code,
        )
        try:
            async with self._database.writing() as connection:
                if delay is None:
                    await outbox_queue.give_up(connection, row.id, code)
                else:
                    await outbox_queue.postpone(connection, row.id, delay, code)
        except StoreUnavailable:
            return  # the lease brings the row back


def _code(error: Exception) -> str:
    if isinstance(error, DeliveryFailed):
        return error.code
    return error.reason_code if isinstance(error, SluiceError) else "row_invalid"
