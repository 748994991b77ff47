"""Reads server-sent events as a browser does (WHATWG HTML, section 9.2.6)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.waiting import WITHIN


@dataclass(frozen=True)
class Event:
    """One server-sent event as a browser would dispatch it."""

    name: str
    id: int
    data: dict[str, Any]


@dataclass
class Reading:
    """An open stream. `last_id` moves with every id that is followed by a blank line, with or without data."""

    response: httpx.Response
    last_id: int | None = None
    comments: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._events = self.events()

    async def events(self) -> AsyncIterator[Event]:
        """Yield events until the stream ends."""
        name, data, id_ = "", "", self.last_id
        async for line in self.response.aiter_lines():
            kind, _, value = line.partition(": ")
            if kind == "event":
                name = value
            elif kind == "data":
                data = value
            elif kind == "id":
                id_ = int(value)
            elif kind == "" and value:
                self.comments.append(value)
            elif not line:
                self.last_id = id_
                if data:
                    assert self.last_id is not None
                    yield Event(name, self.last_id, json.loads(data))
                name = data = ""

    async def take(self, count: int, within: float = WITHIN) -> list[Event]:
        """Return the next events; fewer when the stream ends."""
        taken: list[Event] = []
        async with asyncio.timeout(within):
            async for event in self._events:
                taken.append(event)
                if len(taken) == count:
                    break
        return taken
