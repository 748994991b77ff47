"""AUDIT, live: what one client is sent, from its greeting to its end."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from fastapi.sse import format_sse_event

from adapters.waking import set_within
from api.stream.admission import Admission
from api.stream.feed import EventFeed, Page
from api.stream.schemas import Greeting, Topic
from contracts.base import utc_now
from contracts.errors import StoreUnavailable

RETRY_MS = 1_000
"""How soon a client comes back after its stream ended."""


@dataclass(frozen=True)
class Wanted:
    """What a client asked for. `after` is the last number it has; None begins with what comes next."""

    after: int | None
    topics: frozenset[Topic]
    reader: str
    """Who asks, as `issuer/subject`."""


async def greet(feed: EventFeed, wanted: Wanted, version: str) -> tuple[int, bytes]:
    """Return the number after which updates follow, and the events that open the stream.

    Raises:
        StoreUnavailable: the log cannot be read now.
    """
    newest = await feed.position()
    if wanted.after is None:
        return newest, _greeting("hello", newest, version)
    hello = _greeting("hello", wanted.after, version)
    if await feed.can_resume(wanted.after):
        return wanted.after, hello
    return newest, hello + _greeting("reset", newest, version)


async def follow(
    feed: EventFeed, wanted: Wanted, opening: tuple[int, bytes], admission: Admission
) -> AsyncGenerator[bytes, None]:
    """Yield the opening, then updates and pings until the feed closes or the caller may not read any longer."""
    number, greeting = opening
    limits = feed.limits
    ping_at = time.monotonic() + limits.ping * feed.phase()
    with feed.following(wanted.reader) as woken:
        if feed.streams_of(wanted.reader) > limits.per_reader or feed.open_streams > limits.streams:
            # Others that were let in at the same moment were faster; when it comes back it is told.
            return
        yield greeting
        while not feed.is_closed:
            if time.monotonic() >= ping_at:
                if not await admission.holds():
                    return
                yield _ping(number)
                ping_at = time.monotonic() + limits.ping
            woken.clear()
            page = await _page_after(feed, number)
            if page is None:
                return
            if chosen := b"".join(update.wire for update in page.updates if update.topic in wanted.topics):
                yield chosen
            number = page.through
            if page.is_last and not feed.is_closed:
                await set_within(woken, ping_at - time.monotonic())


async def _page_after(feed: EventFeed, number: int) -> Page | None:
    try:
        return await feed.after(number)
    except StoreUnavailable:
        # The client comes back with its last id and is told 503 until the log can be read again.
        return None


def _greeting(event: str, number: int, version: str) -> bytes:
    greeting = Greeting(number=number, server_time=utc_now(), version=version)
    return format_sse_event(event=event, data_str=greeting.model_dump_json(), id=str(number), retry=RETRY_MS)


def _ping(number: int) -> bytes:
    # The id moves on without an event, so that a client of quiet topics never seems to be far behind.
    return format_sse_event(comment="ping", id=str(number))
