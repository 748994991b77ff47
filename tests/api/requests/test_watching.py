from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from adapters.store import requests
from api.requests.watching import RequestWatches, WatchLimits
from contracts.progress import ProgressStep, RequestProgress, StepState
from contracts.request import RequestStatus
from tests.api.serving import Api
from tests.waiting import WITHIN, until

READING = ProgressStep(
    kind="tool", name="read_node_pool", state=StepState.RUNNING, arguments={"node_pool": "web"}
)
READ = READING.model_copy(update={"state": StepState.DONE, "result": "{}"})
Event = tuple[str, dict[str, Any]]


async def asked(api: Api) -> str:
    answer = await api.post("/v1/requests", {"text": "how is web?"}, by="ana")
    request_id: str = answer.json()["request_id"]
    return request_id


async def close(api: Api, request_id: str) -> None:
    async with api.database.transaction() as connection:
        await requests.close(connection, request_id, RequestStatus.ANSWERED, "It runs.", None)


class Reader:
    """One open stream of a request's progress, read over ASGI while it goes on."""

    def __init__(self, api: Api, request_id: str, by: str = "ana") -> None:
        self.status = 0
        self.events: list[Event] = []
        self._buffer = ""
        self._gone = asyncio.Event()
        self._news = asyncio.Event()
        headers = [(name.lower().encode(), value.encode()) for name, value in api.headers(by).items()]
        scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": f"/v1/requests/{request_id}/progress",
            "raw_path": f"/v1/requests/{request_id}/progress".encode(),
            "root_path": "",
            "query_string": b"",
            "headers": [(b"host", b"sluice.test"), *headers],
            "client": ("127.0.0.1", 1),
            "server": ("sluice.test", 80),
        }
        self.task = asyncio.create_task(api.app(scope, self._receive, self._send))

    async def _receive(self) -> dict[str, Any]:
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            return
        self._buffer += message.get("body", b"").decode()
        *whole, self._buffer = self._buffer.split("\n\n")
        for block in whole:
            fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
            if "event" in fields:
                self.events.append((fields["event"], json.loads(fields["data"])))
        self._news.set()

    async def until(self, name: str, count: int = 1) -> list[Event]:
        async with asyncio.timeout(WITHIN):
            while sum(event == name for event, _ in self.events) < count:
                self._news.clear()
                await self._news.wait()
        return self.events

    async def leave(self) -> None:
        self._gone.set()
        await self.task


@asynccontextmanager
async def reading(api: Api, request_id: str, by: str = "ana") -> AsyncIterator[Reader]:
    reader = Reader(api, request_id, by)
    try:
        yield reader
    finally:
        await reader.leave()


def watches(api: Api) -> RequestWatches:
    found: RequestWatches = api.app.state.watches
    return found


async def test_steps_and_text_are_sent_as_they_change_and_the_end_closes_the_stream(api: Api) -> None:
    request_id = await asked(api)
    api.gateway.progress = RequestProgress(steps=(READING,))
    async with reading(api, request_id) as reader:
        await reader.until("step")
        api.gateway.progress = RequestProgress(steps=(READ,), text="It")
        await reader.until("text")
        api.gateway.progress = RequestProgress(steps=(READ,), text="It ru")
        await reader.until("text", 2)
        await close(api, request_id)
        await reader.until("closed")
        await reader.task
    told = [
        (name, data.get("state") or data.get("status") or data.get("text")) for name, data in reader.events
    ]
    assert told == [
        ("step", "running"),
        ("step", "done"),
        ("text", "It"),
        ("text", "It ru"),
        ("closed", "answered"),
    ]
    assert [data["index"] for name, data in reader.events if name == "step"] == [0, 0]
    assert reader.events[-1][1]["answer"] == "It runs."
    assert watches(api).watched == 0


async def test_a_request_that_is_closed_already_is_told_at_once_without_asking_temporal(api: Api) -> None:
    request_id = await asked(api)
    await close(api, request_id)
    async with reading(api, request_id) as reader:
        await reader.task
    assert [name for name, _ in reader.events] == ["closed"]
    assert api.gateway.looked == 0


async def test_ten_readers_of_one_request_cost_one_poller_and_none_is_left_behind(api: Api) -> None:
    request_id = await asked(api)
    watches(api).limits = WatchLimits(per_reader=10, soonest=0.1, latest=0.2)
    readers = [Reader(api, request_id) for _ in range(10)]
    await until(lambda: watches(api).watched == 1 and api.gateway.looked > 2)
    looked, began = api.gateway.looked, time.monotonic()
    await asyncio.sleep(0.5)
    # At the soonest every tenth of a second, whoever reads.
    assert api.gateway.looked - looked <= (time.monotonic() - began) * 10 + 3
    for reader in readers:
        await reader.leave()
    assert watches(api).watched == 0
    looked = api.gateway.looked
    await asyncio.sleep(0.3)
    assert api.gateway.looked == looked


async def test_one_person_watches_a_bounded_number_at_a_time(api: Api) -> None:
    request_id = await asked(api)
    async with reading(api, request_id), reading(api, request_id), reading(api, request_id) as third:
        async with reading(api, request_id) as fourth:
            await until(lambda: third.status == fourth.status == 200)
            await asyncio.sleep(0.1)
            refused = await api.get(f"/v1/requests/{request_id}/progress", by="ana")
            assert (refused.status_code, refused.json()["reason_code"]) == (429, "too_many_streams")
        async with reading(api, request_id) as again:
            await until(lambda: again.status == 200)


async def test_while_temporal_is_down_the_stream_waits_for_the_outcome(api: Api) -> None:
    request_id = await asked(api)
    api.gateway.is_down = True
    async with reading(api, request_id) as reader:
        await asyncio.sleep(0.6)
        assert reader.events == []
        await close(api, request_id)
        await reader.until("closed")


async def test_a_stream_ends_when_the_process_stops(api: Api) -> None:
    request_id = await asked(api)
    async with reading(api, request_id) as reader:
        await until(lambda: watches(api).watched == 1)
        watches(api).feed.close()
        async with asyncio.timeout(WITHIN):
            await reader.task
    assert "closed" not in [name for name, _ in reader.events]


@pytest.mark.parametrize(("by", "status"), [("nobody", 403), ("vera", 404)])
async def test_who_may_not_read_gets_no_stream_and_what_is_not_there_is_not_found(
    api: Api, by: str, status: int
) -> None:
    answer = await api.get("/v1/requests/req_none/progress", by=by)
    assert answer.status_code == status


async def test_without_a_token_or_session_nothing_is_streamed(api: Api) -> None:
    request_id = await asked(api)
    assert (await api.http.get(f"/v1/requests/{request_id}/progress")).status_code == 401
