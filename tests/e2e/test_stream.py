"""The event stream of the whole stack while its API is killed again and again: nothing is lost, nothing comes twice."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import httpx
import pytest

from adapters.audit.export import read_entry
from api.stream.updates import TOPICS
from tests.api.stream.reading import Reading
from tests.e2e.stack import Stack, eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

KILLS = 4
CLIENTS = 3
BETWEEN = 0.1
"""Seconds between two requests of one writer: enough for updates all the time, and no flood to wait for in the end."""
WITHIN = 120


@dataclass
class Follower:
    """A client as browsers are: it comes back with the last id it saw, every time."""

    last_id: int
    numbers: list[int] = field(default_factory=list)
    greetings: list[str] = field(default_factory=list)

    async def follow(self, stack: Stack) -> None:
        """Follow until cancelled, whatever happens to the API."""
        while True:
            try:
                await self._connect(stack)
            except httpx.TransportError:
                await asyncio.sleep(0.1)

    async def _connect(self, stack: Stack) -> None:
        headers = {
            "Authorization": f"Bearer {stack.tokens['viewer']}",
            "Last-Event-ID": str(self.last_id),
        }
        async with (
            httpx.AsyncClient(base_url=stack.url, timeout=60, trust_env=False) as client,
            client.stream("GET", "/v1/stream", headers=headers) as response,
        ):
            if response.status_code != 200:
                assert response.status_code == 503
                await asyncio.sleep(0.1)
                return
            reading = Reading(response, self.last_id)
            try:
                async for event in reading.events():
                    if event.name in ("hello", "reset"):
                        self.greetings.append(event.name)
                    else:
                        self.numbers.append(event.id)
            finally:
                self.last_id = reading.last_id or self.last_id


async def write_until(stack: Stack, stop: asyncio.Event, by: str) -> int:
    """Ask again and again; return how often an answer came."""
    answers = 0
    while not stop.is_set():
        try:
            answer = await stack.people[by].post("/v1/requests", json={"text": "help"})
            answers += answer.status_code == 202
        except httpx.TransportError:
            pass
        await asyncio.sleep(BETWEEN)
    return answers


async def streamed_numbers(stack: Stack, above: int) -> list[int]:
    """Numbers above, of types that are streamed, in the audit log as it is exported."""
    lines = (await stack.export()).splitlines(keepends=True)
    entries = [entry for line in lines if (entry := read_entry(line)) is not None]
    return [
        entry.number
        for entry in entries
        if entry.number > above and json.loads(entry.leaf)["type"] in list(TOPICS)
    ]


def more_of_each(followers: list[Follower]) -> Callable[[], Awaitable[bool]]:
    """Ask whether every follower has got some more updates since now."""
    wanted = [len(one.numbers) + 10 for one in followers]

    async def there() -> bool:
        return all(len(one.numbers) >= target for one, target in zip(followers, wanted, strict=True))

    return there


async def test_killing_the_api_neither_loses_nor_repeats_an_update(rough_stack: Stack) -> None:
    stack = rough_stack
    before = (await stack.people["viewer"].get("/v1/audit/checkpoint")).json()["size"] - 1
    followers = [Follower(before) for _ in range(CLIENTS)]
    stop = asyncio.Event()
    following = [asyncio.create_task(one.follow(stack)) for one in followers]
    writing = [asyncio.create_task(write_until(stack, stop, by)) for by in ("requester", "requester")]
    try:
        async with asyncio.timeout(WITHIN):
            for _ in range(KILLS):
                await eventually(more_of_each(followers), limit=WITHIN)
                await stack.kill("api")
                await stack.back("api")
            stop.set()
            assert sum(await asyncio.gather(*writing)) > 0

            async def requests_are_over() -> bool:
                return not await stack.rows("select id from requests where closed_at is null")

            await eventually(requests_are_over, limit=WITHIN)
            expected = await streamed_numbers(stack, before)

            async def all_are_there() -> bool:
                return all(one.numbers and one.numbers[-1] >= expected[-1] for one in followers)

            await eventually(all_are_there)
    finally:
        stop.set()
        for task in (*following, *writing):
            task.cancel()
        await asyncio.gather(*following, *writing, return_exceptions=True)
    for one in followers:
        assert one.numbers == expected
        assert one.greetings.count("hello") > KILLS
        assert "reset" not in one.greetings
