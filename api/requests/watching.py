"""REQUEST, live: one poller per watched request asks Temporal what its planner does, however many people watch.

Nothing is polled while nobody watches, nothing is stored, and nothing here can change what becomes of a request.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, cast

import structlog
from fastapi import Depends, Request
from fastapi.sse import format_sse_event

from adapters.waking import set_within
from api.handoff import within
from api.parts import ApiParts
from api.problems import Problem
from api.requests import service
from api.requests.schemas import RequestView, StepView, TextView
from api.stream.admission import Admission, may_read
from api.stream.feed import EventFeed
from api.stream.response import EventStream
from contracts.errors import SluiceError
from contracts.principal import Principal
from contracts.progress import RequestProgress

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class WatchLimits:
    """Sizes and times (seconds) of watching."""

    per_reader: int = 4
    """Open streams of one person."""
    streams: int = 200
    """Open streams of this process."""
    soonest: float = 0.4
    """Between two looks while something happens."""
    latest: float = 2.0
    """Between two looks while nothing does."""


@dataclass(frozen=True)
class Sighting:
    """What one look showed. `number` grows with every look that showed something new."""

    number: int
    progress: RequestProgress
    closed: RequestView | None = None


class _Poll:
    """Looks at one request until it is closed. Readers wait on `news`."""

    def __init__(self, request_id: str) -> None:
        self.request_id = request_id
        self.readers = 0
        self.newest = Sighting(0, RequestProgress())
        self.has_ended = False
        self.news = asyncio.Condition()
        self.task: asyncio.Task[None] | None = None

    async def show(self, progress: RequestProgress, closed: RequestView | None) -> bool:
        """Let the readers see it; tell whether it is new."""
        seen = self.newest
        if seen.number and (seen.progress, seen.closed) == (progress, closed):
            return False
        async with self.news:
            self.newest = Sighting(seen.number + 1, progress, closed)
            self.news.notify_all()
        return True

    async def end(self) -> None:
        async with self.news:
            self.has_ended = True
            self.news.notify_all()

    async def after(self, number: int, patience: float) -> Sighting | None:
        """Return a newer sighting, or None when there is none within `patience` seconds."""
        try:
            async with asyncio.timeout(patience), self.news:
                await self.news.wait_for(lambda: self.has_ended or self.newest.number > number)
        except TimeoutError:
            return None
        return self.newest if self.newest.number > number else None


@dataclass
class RequestWatches:
    """Everything that is being watched in this process."""

    parts: ApiParts
    feed: EventFeed
    """Wakes the pollers when something was audited, and ends the streams when the process stops."""
    limits: WatchLimits = field(default_factory=WatchLimits)
    _polls: dict[str, _Poll] = field(default_factory=dict)
    _readers: Counter[str] = field(default_factory=Counter)

    @property
    def watched(self) -> int:
        """How many requests are being polled."""
        return len(self._polls)

    @contextmanager
    def reading(self, reader: str) -> Iterator[None]:
        """Count an open stream of a person.

        Raises:
            Problem: 429, too many of them; 503, too many of everybody.
        """
        if self._readers.total() >= self.limits.streams:
            raise Problem(503, "too_many_streams", "This process serves as many streams as it can.")
        if self._readers[reader] >= self.limits.per_reader:
            raise Problem(429, "too_many_streams", f"You watch {self.limits.per_reader} requests already.")
        self._readers[reader] += 1
        try:
            yield
        finally:
            self._readers[reader] -= 1
            self._readers += Counter()

    @contextmanager
    def polling(self, request_id: str) -> Iterator[_Poll]:
        """Have a request looked at for as long as this lasts."""
        poll = self._polls.get(request_id)
        if poll is None:
            poll = self._polls[request_id] = _Poll(request_id)
            poll.task = asyncio.create_task(self._look(poll), name=f"watch {request_id}")
        poll.readers += 1
        try:
            yield poll
        finally:
            poll.readers -= 1
            if not poll.readers:
                del self._polls[request_id]
                if poll.task is not None:
                    poll.task.cancel()

    async def _look(self, poll: _Poll) -> None:
        pause = self.limits.soonest
        try:
            with self.feed.following() as woken:
                while not self.feed.is_closed and poll.newest.closed is None:
                    woken.clear()
                    is_new = await self._look_once(poll)
                    pause = self.limits.soonest if is_new else min(pause * 1.5, self.limits.latest)
                    await asyncio.sleep(self.limits.soonest)
                    await set_within(woken, pause - self.limits.soonest)
        finally:
            await poll.end()

    async def _look_once(self, poll: _Poll) -> bool:
        """Whoever does not answer is asked again next time: there is no harm in seeing less."""
        progress = poll.newest.progress
        try:
            view = await service.show(self.parts, poll.request_id)
            if view.status.is_final:
                return await poll.show(progress, view)
            asked = self.parts.gateway.progress_of(poll.request_id)
            told = await within(self.parts.gateway_timeout, asked)
            progress = progress if told is None else told
        except SluiceError as error:
            _log.info("progress not seen", request_id=poll.request_id, reason_code=error.reason_code)
        return await poll.show(progress, None)


def watches_of(request: Request) -> RequestWatches:
    """Return what the application that serves this request watches."""
    return cast("RequestWatches", request.app.state.watches)


Watches = Annotated[RequestWatches, Depends(watches_of)]


async def watch(
    parts: ApiParts, watches: RequestWatches, request: Request, request_id: str, caller: Principal
) -> EventStream:
    """Return the stream of one request.

    Raises:
        Problem: 404; 429 and 503 `too_many_streams`.
    """
    await service.show(parts, request_id)
    reader = caller.key
    with watches.reading(reader):
        pass
    limits = watches.feed.limits
    admission = Admission(partial(may_read, request, parts), limits.lapse)
    return EventStream(_follow(watches, request_id, reader, admission), limits.send)


async def _follow(
    watches: RequestWatches, request_id: str, reader: str, admission: Admission
) -> AsyncGenerator[bytes, None]:
    """Yield what is new of a request until it is closed, the caller may not read any longer, or the process stops."""
    ping = watches.feed.limits.ping
    shown, teller = 0, _Teller()
    with watches.reading(reader), watches.polling(request_id) as poll:
        yield format_sse_event(comment="watching", retry=1_000)
        ping_at = time.monotonic() + ping
        while True:
            sighting = await poll.after(shown, max(0.05, ping_at - time.monotonic()))
            if sighting is not None:
                shown = sighting.number
                if told := teller.tell(sighting):
                    yield told
                if sighting.closed is not None:
                    return
            elif poll.has_ended:
                return
            if time.monotonic() >= ping_at:
                if not await admission.holds():
                    return
                yield format_sse_event(comment="ping")
                ping_at = time.monotonic() + ping


class _Teller:
    """Turns sightings into the events that one client has not had yet."""

    def __init__(self) -> None:
        self._before = RequestProgress()

    def tell(self, sighting: Sighting) -> bytes:
        before, progress = self._before, sighting.progress
        self._before = progress
        known = before.steps
        told = [
            _event("step", StepView(index=index, **step.model_dump()))
            for index, step in enumerate(progress.steps)
            if index >= len(known) or known[index] != step
        ]
        if progress.text != before.text:
            told.append(_event("text", TextView(text=progress.text)))
        if sighting.closed is not None:
            told.append(_event("closed", sighting.closed))
        return b"".join(told)


def _event(name: str, document: StepView | TextView | RequestView) -> bytes:
    return format_sse_event(event=name, data_str=document.model_dump_json())
