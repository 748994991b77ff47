"""`GET /v1/stream`."""

from __future__ import annotations

from functools import partial
from typing import Annotated, cast

from fastapi import APIRouter, Depends, Header, Query, Request

from api.authentication import ReaderByTokenOrSession
from api.parts import Parts
from api.problems import Problem
from api.stream.admission import Admission, may_read
from api.stream.feed import EventFeed
from api.stream.response import EventStream
from api.stream.schemas import Topic
from api.stream.service import Wanted, follow, greet
from contracts.audit import MAX_NUMBER

router = APIRouter(tags=["stream"])


def feed_of(request: Request) -> EventFeed:
    """Return the feed of the application that serves this request."""
    return cast("EventFeed", request.app.state.feed)


_LAST_NUMBER = "Number of the last update one has; -1 for none."


@router.get("/v1/stream", status_code=200, response_class=EventStream)
async def stream(
    request: Request,
    parts: Parts,
    feed: Annotated[EventFeed, Depends(feed_of)],
    caller: ReaderByTokenOrSession,
    after: Annotated[int | None, Query(ge=-1, le=MAX_NUMBER, description=_LAST_NUMBER)] = None,
    last_event_id: Annotated[
        int | None,
        Header(
            ge=-1,
            le=MAX_NUMBER,
            description="The same, as browsers send it on their return. It wins over `after`.",
        ),
    ] = None,
    topic: Annotated[list[Topic] | None, Query(description="Only these; all of them when left out.")] = None,
) -> EventStream:
    """Follow proposals, requests, halts, breakers and budgets as server-sent events, each with its audit number."""
    if feed.open_streams >= feed.limits.streams:
        raise Problem(503, "too_many_streams", "This process serves as many streams as it can.")
    reader = caller.key
    if feed.streams_of(reader) >= feed.limits.per_reader:
        raise Problem(429, "too_many_streams", f"You follow {feed.limits.per_reader} streams already.")
    wanted = Wanted(after if last_event_id is None else last_event_id, frozenset(topic or Topic), reader)
    opening = await greet(feed, wanted, parts.version)
    admission = Admission(partial(may_read, request, parts), feed.limits.lapse)
    return EventStream(follow(feed, wanted, opening, admission), feed.limits.send)
