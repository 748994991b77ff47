"""AUDIT, live: one reader per process between the audit log and all open streams.

The sequencer numbers densely and commits whole batches in order, so who sees a number sees all below it: reading
upwards by number neither skips nor repeats. The reader wakes by `LISTEN sluice_sequenced`, with a poll as safety
net, and keeps the newest updates in memory. A stream holds only a cursor into them: a client that lags costs no
memory, and one that comes back after a restart is served from memory too. What is older is paged from the database.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from adapters.dispatch.loops import Loop, restarting
from adapters.store import audit_reads
from adapters.store.database import Database
from adapters.store.listen import listen
from adapters.store.sequencer import SEQUENCED_CHANNEL
from adapters.waking import set_within
from api.stream.updates import TOPICS, Update, update_of
from contracts.errors import StoreUnavailable

_TYPES = [type_.value for type_ in TOPICS]
_GROUP = 2
"""Streams that are woken at a time: whoever decides meanwhile waits for one group, not for all."""
_BETWEEN_GROUPS = 0.004
"""Seconds. A write to a socket costs about 0.2 ms, so a round over 200 streams is spread over half a second."""
_READERS = 2
"""Streams that may page from the database at a time, so that a herd leaves connections to others."""


@dataclass(frozen=True)
class Limits:
    """Sizes and times (seconds) of the feed and its streams."""

    kept: int = 1_000
    """Updates that stay in memory at least."""
    page: int = 100
    """Updates that are read, and sent, at a time."""
    gap: int = 10_000
    """A client that is further behind loads anew instead."""
    streams: int = 500
    """Open streams of one process: well below the usual limit of 1,024 open files."""
    per_reader: int = 32
    """Of them, those of one person or service: whoever took all would switch everybody's decisions off."""
    poll: float = 1.0
    gather: float = 0.5
    """Updates of a busy log are sent in rounds this far apart: one wake-up per stream and round."""
    start: float = 3.0
    """How long a new stream waits for the first look at the log."""
    ping: float = 15.0
    lapse: float = 30.0
    """A caller whose admission could not be confirmed for so long is no longer served."""
    send: float = 20.0
    """A client that does not read for so long is cut off."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some updates in order. `through`: there are no others up to this number."""

    updates: Sequence[Update]
    through: int
    is_last: bool


class EventFeed:
    """What one process knows of the log's newest updates, for the one tenant it serves."""

    def __init__(self, database: Database, tenant: str, limits: Limits | None = None) -> None:
        """Read nothing yet: that is done by `loops`."""
        self.limits = limits or Limits()
        self._database = database
        self._tenant = tenant
        self._updates: list[Update] = []
        self._floor = -1
        self._position: int | None = None
        self._began = asyncio.Event()
        self._woken = asyncio.Event()
        self._streams: set[asyncio.Event] = set()
        self._readers_streams: Counter[str] = Counter()
        self._opened = itertools.count(1)
        self._readers = asyncio.Semaphore(_READERS)
        self._is_closed = False

    @property
    def loops(self) -> tuple[Loop, ...]:
        """What has to run beside the API, restarting by itself."""
        return restarting("stream", self.run), restarting("stream-listener", self._listen)

    @property
    def is_closed(self) -> bool:
        """Whether every stream is to end now."""
        return self._is_closed

    @property
    def open_streams(self) -> int:
        """How many streams are being followed."""
        return len(self._streams)

    def streams_of(self, reader: str) -> int:
        """How many of them are one reader's (`issuer/subject`)."""
        return self._readers_streams[reader]

    def wake(self, _: str = "") -> None:
        """Look for new numbers now. Handed to `listen` for the channel `sluice_sequenced`."""
        self._woken.set()

    def close(self) -> None:
        """End every stream, at once and for good: the process is about to stop."""
        self._is_closed = True
        for woken in self._streams:
            woken.set()

    async def position(self) -> int:
        """Return the highest number this process has seen; -1 in an empty log.

        Raises:
            StoreUnavailable: the log could not be read since the process started.
        """
        if not self._began.is_set():
            await set_within(self._began, self.limits.start)
        if self._position is None or not self._began.is_set():
            raise StoreUnavailable("the audit log was not read yet")
        return self._position

    @property
    def seen(self) -> int | None:
        """The highest number this process has seen; None before the log was read for the first time."""
        return self._position if self._began.is_set() else None

    async def after(self, number: int) -> Page:
        """Return the next page above `number`, from memory where that reaches back far enough.

        Raises:
            StoreUnavailable: the database did not answer.
        """
        position = await self.position()
        if number < self._floor:
            async with self._readers:
                return await self._read(number)
        start = bisect_right(self._updates, number, key=lambda update: update.number)
        updates = self._updates[start : start + self.limits.page]
        if start + len(updates) < len(self._updates):
            return Page(updates, updates[-1].number, is_last=False)
        return Page(updates, max(number, position), is_last=True)

    async def can_resume(self, number: int) -> bool:
        """Tell whether a client may go on from `number`: not too far back, and not from another log's future.

        Raises:
            StoreUnavailable: the database did not answer.
        """
        position = await self.position()
        if number > position:
            # Another process may have read further than this one.
            async with self._readers, self._database.reading() as connection:
                return number <= await audit_reads.highest(connection)
        return position - number <= self.limits.gap

    @contextmanager
    def following(self, reader: str = "") -> Iterator[asyncio.Event]:
        """Yield an event that is set whenever there may be something new. `reader` is who it counts for."""
        woken = asyncio.Event()
        self._streams.add(woken)
        self._readers_streams[reader] += 1
        try:
            yield woken
        finally:
            self._streams.discard(woken)
            self._readers_streams[reader] -= 1
            self._readers_streams += Counter()

    def phase(self) -> float:
        """Return a share in (0, 1]: spreads the pings of streams that were opened together."""
        return (next(self._opened) * 7 % 16 + 1) / 16

    async def run(self) -> None:
        """Follow the log until cancelled.

        Raises:
            StoreUnavailable: the database went away. Run again: it goes on where it was.
        """
        while True:
            self._woken.clear()
            began = time.monotonic()
            if await self._advance():
                await self._announce()
                await asyncio.sleep(max(0.0, began + self.limits.gather - time.monotonic()))
            else:
                await set_within(self._woken, self.limits.poll)

    async def _listen(self) -> None:
        await listen(self._database, {SEQUENCED_CHANNEL: self.wake})

    async def _advance(self) -> bool:
        """Read everything that was numbered since; tell whether there was something."""
        if self._position is None:
            async with self._database.reading() as connection:
                highest = await audit_reads.highest(connection)
            self._position = self._floor = max(-1, highest - self.limits.kept)
        before = self._position
        while True:
            page = await self._read(self._position)
            self._updates += page.updates
            self._position = page.through
            self._forget()
            if page.is_last:
                self._began.set()
                return page.through > before

    async def _read(self, after: int) -> Page:
        limit = self.limits.page
        async with self._database.reading() as connection:
            # Asked first: what is numbered up to here is seen by the second query too.
            highest = await audit_reads.highest(connection)
            if highest <= after:
                return Page((), after, is_last=True)
            rows = await audit_reads.leaves(connection, self._tenant, _TYPES, after=after, limit=limit)
        updates = [update_of(row) for row in rows]
        newest = updates[-1].number if updates else after
        if len(updates) == limit:
            return Page(updates, newest, is_last=False)
        return Page(updates, max(highest, newest), is_last=True)

    def _forget(self) -> None:
        surplus = len(self._updates) - self.limits.kept
        # Twice as many are let in, so that the list is cut seldom.
        if surplus > self.limits.kept:
            self._floor = self._updates[surplus - 1].number
            del self._updates[:surplus]

    async def _announce(self) -> None:
        streams = tuple(self._streams)
        pause = min(_BETWEEN_GROUPS, self.limits.gather * _GROUP / max(1, len(streams)))
        for count, woken in enumerate(streams, start=1):
            woken.set()
            if count % _GROUP == 0:
                await asyncio.sleep(pause)
