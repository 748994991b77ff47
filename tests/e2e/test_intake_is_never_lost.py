"""REQUEST intake while the API and the worker die again and again: what was answered with 2xx has one outcome (I5)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import pytest_asyncio
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_fixed

from tests.e2e.practice_ground import DEVELOPMENT, PRODUCTION, Place
from tests.e2e.stack import Stack, eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

REQUESTS = 200
KILLS = ((10, "api"), (50, "worker"), (80, "api"), (120, "worker"), (150, "api"), (190, "api"))
"""After so many answers, this part is killed."""
AGAIN = 1.0
"""Seconds until a client asks again: two hundred that ask at once keep a part that starts from starting."""
WITHIN = 120


@dataclass
class Ask:
    """One person's request, sent under one key until it is answered."""

    text: str
    key: str
    status: str
    """What has to become of it."""
    place: Place | None = None
    request_id: str = ""
    attempts: int = 0

    async def send(self, client: httpx.AsyncClient) -> None:
        """Retry as a client should: same key, same body."""
        while not self.request_id:
            self.attempts += 1
            try:
                answer = await self.post(client)
            except httpx.TransportError:
                await asyncio.sleep(AGAIN)
                continue
            if answer.status_code == 202:
                self.request_id = answer.json()["request_id"]
            else:
                assert answer.status_code == 503, answer.text
                await asyncio.sleep(AGAIN)

    async def post(self, client: httpx.AsyncClient) -> httpx.Response:
        headers = {"Idempotency-Key": self.key}
        return await client.post("/v1/requests", json={"text": self.text}, headers=headers)


def asks(stack: Stack) -> list[Ask]:
    """Mostly questions; every tenth wants a change in production, and five want one that nobody must approve."""
    made: list[Ask] = []
    changing = [stack.place(DEVELOPMENT) for _ in range(5)]
    waiting = stack.place(PRODUCTION)
    plain = [
        ("help", "answered"),
        (f"how big is web in {waiting.name}?", "answered"),
        ("make it faster", "asked"),
        ("scale nothing-like-it to 3", "asked"),
        (f"scale web in {waiting.name} to 2000", "refused"),
    ]
    for number in range(REQUESTS):
        key = f"intake-{number}"
        if number % 40 == 7:
            place = changing[number // 40]
            made.append(Ask(f"scale web in {place.name} to 2", key, "proposed", place))
        elif number % 10 == 3:
            made.append(Ask(f"scale web in {waiting.name} to {2 + number % 3}", key, "proposed", waiting))
        else:
            made.append(Ask(plain[number % len(plain)][0], key, plain[number % len(plain)][1]))
    return made


async def kill_while_answering(stack: Stack, made: list[Ask]) -> None:
    for answered, part in KILLS:

        async def is_time(wanted: int = answered, name: str = part) -> bool:
            return sum(bool(one.request_id) for one in made) >= wanted and stack.pid(name) is not None

        await eventually(is_time, limit=WITHIN, pause=0.005)
        await stack.kill(part)


@pytest_asyncio.fixture(loop_scope="session")
async def answered(rough_stack: Stack) -> list[Ask]:
    """All requests were sent at once, and all of them were answered in the end."""
    made = asks(rough_stack)
    limits = httpx.Limits(max_connections=REQUESTS, max_keepalive_connections=0)
    headers = {"Authorization": f"Bearer {rough_stack.tokens['requester']}"}
    async with httpx.AsyncClient(
        base_url=rough_stack.url, headers=headers, timeout=15, trust_env=False, limits=limits
    ) as client:
        async with asyncio.timeout(WITHIN):
            await asyncio.gather(kill_while_answering(rough_stack, made), *(one.send(client) for one in made))
        await rough_stack.back("api")
        repeated = [await one.post(client) for one in made]
    assert [one.json()["request_id"] for one in repeated] == [one.request_id for one in made]
    assert all(one.headers["Idempotency-Replayed"] == "true" for one in repeated)
    return made


async def test_every_request_that_was_answered_has_exactly_one_outcome(
    rough_stack: Stack, answered: list[Ask]
) -> None:
    stack = rough_stack
    assert any(one.attempts > 1 for one in answered), "no connection ever broke: nothing was tested"
    ids = [one.request_id for one in answered]
    assert len(set(ids)) == REQUESTS
    received = await stack.rows("select id from requests where document->>'channel' = 'api'")
    assert {row.id for row in received} == set(ids), "a retry made a second request, or one is gone"

    async def all_are_over() -> bool:
        open_ones = await stack.rows("select id from requests where closed_at is null")
        return not open_ones

    await eventually(all_are_over, limit=WITHIN)
    for one in answered:
        shown = await shown_again(stack, one.request_id)
        assert shown["status"] == one.status, (one.text, shown["answer"])
        assert len(shown["proposal_ids"]) == (1 if one.status == "proposed" else 0), shown
    closed = await stack.rows(
        "select subject, count(*) as times from audit_events where type = 'request.closed' group by subject"
    )
    assert {row.subject: row.times for row in closed} == dict.fromkeys(ids, 1)
    await proposals_are_not_doubled(stack, answered)


@retry(retry=retry_if_exception_type(httpx.TransportError), stop=stop_after_attempt(5), wait=wait_fixed(0.5))
async def shown_again(stack: Stack, request_id: str) -> Any:
    """Read a request. A connection that was kept from before a kill is noticed when it is used."""
    return (await stack.people["viewer"].get(f"/v1/requests/{request_id}")).json()


async def proposals_are_not_doubled(stack: Stack, answered: list[Ask]) -> None:
    wanted = [one for one in answered if one.status == "proposed"]
    made = await stack.rows("select id, request_id, environment from proposals where request_id is not null")
    assert sorted(row.request_id for row in made) == sorted(one.request_id for one in wanted)
    for row in made:
        ends = "succeeded" if row.environment == "development" else "awaiting_approval"
        await stack.until(row.id, ends)
    for place in {one.place for one in wanted if one.place is not None}:
        expected = [2] if place.environment is DEVELOPMENT else []
        assert stack.sizes_set(place) == expected
