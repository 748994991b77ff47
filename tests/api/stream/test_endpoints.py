from __future__ import annotations

import asyncio
import signal
import socket
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest

from adapters.store import tokens
from api.server import STOP_WITHIN
from api.stream.feed import Limits
from api.stream.updates import TOPICS
from contracts.base import utc_now
from contracts.principal import SYSTEM, Principal, PrincipalKind, Role
from tests.api.serving import RESIZE
from tests.api.stream.serving import StreamingApi, streaming, until

QUICK = Limits(gather=0.02, poll=0.2, ping=0.3, lapse=1.0)


@pytest.fixture
async def streamed(migrated_database_url: str) -> AsyncIterator[StreamingApi]:
    async with streaming(migrated_database_url, QUICK) as served:
        yield served


async def test_the_ids_are_the_audit_numbers_of_what_concerns_the_path(streamed: StreamingApi) -> None:
    async with streamed.stream(after=-1) as reading:
        proposal_id = await streamed.api.propose()
        await streamed.api.observe(proposal_id)
        halted = await streamed.api.post(
            "/v1/halts", {"scope": {"everything": True}, "reason": "drill"}, by="olga"
        )
        assert halted.status_code < 300, halted.text
        wanted = await streamed.numbers(tuple(TOPICS))
        hello, *updates = await reading.take(1 + len(wanted))
    assert (hello.name, hello.id) == ("hello", -1)
    assert [update.id for update in updates] == [update.data["number"] for update in updates] == wanted
    created, moved, *halt = updates
    assert (created.name, created.data["type"]) == ("proposal", "proposal.created")
    assert created.data["actor"] == {"kind": "human", "issuer": "local", "subject": "ana"}
    assert "state" not in created.data
    assert (moved.data["subject"], moved.data["state"]) == (proposal_id, "awaiting_approval")
    assert {update.name for update in halt} == {"halt"}
    assert halt[-1].data["state"] == "effective"


async def test_nothing_of_a_payload_but_a_state_is_streamed(streamed: StreamingApi) -> None:
    async with streamed.stream(after=-1) as reading:
        await streamed.api.propose(reason="<script>alert(1)</script> please")
        await streamed.write()
        _, *updates = await reading.take(3)
    for update in updates:
        assert update.data.keys() <= {"number", "type", "subject", "at", "state", "actor"}
        assert "script" not in str(update.data)


async def test_hello_tells_the_present_number_and_only_what_comes_later_follows(
    streamed: StreamingApi,
) -> None:
    await streamed.write(3)
    before = (await streamed.numbers())[-1]
    await asyncio.sleep(0.3)
    async with streamed.stream() as reading:
        [hello] = await reading.take(1)
        await streamed.write()
        [update] = await reading.take(1)
    assert (hello.name, hello.id, hello.data["number"]) == ("hello", before, before)
    assert hello.data.keys() == {"number", "server_time", "version"}
    assert update.id == before + 1
    assert reading.response.headers["content-type"].startswith("text/event-stream")
    assert reading.response.headers["cache-control"] == "no-store"


async def test_the_header_wins_over_the_address(streamed: StreamingApi) -> None:
    await streamed.write(4)
    first = (await streamed.numbers(tuple(TOPICS)))[0]
    async with streamed.stream(last_event_id=first + 1, after=first) as reading:
        taken = await reading.take(3)
    assert [event.id for event in taken] == [first + 1, first + 2, first + 3]


async def test_topics_choose_and_may_be_repeated(streamed: StreamingApi) -> None:
    async with (
        streamed.stream(topic=["halt", "request"]) as some,
        streamed.stream(topic="proposal") as others,
    ):
        await some.take(1)
        await others.take(1)
        await streamed.api.post("/v1/proposals", {"action": RESIZE, "reason": "grow"}, by="ana")
        await streamed.api.post("/v1/halts", {"scope": {"everything": True}, "reason": "drill"}, by="olga")
        await streamed.api.post("/v1/requests", {"text": "help"}, by="ana")
        assert {event.name for event in await some.take(3)} == {"halt", "request"}
        assert [event.name for event in await others.take(1)] == ["proposal"]


@pytest.mark.parametrize(
    ("params", "header"),
    [({"after": "x"}, None), ({"after": -2}, None), ({}, "x"), ({}, "-2"), ({"topic": "token"}, None)],
)
async def test_what_is_not_a_number_or_a_topic_is_refused(
    streamed: StreamingApi, params: dict[str, str], header: str | None
) -> None:
    headers = streamed.api.headers("vera") | ({"Last-Event-ID": header} if header else {})
    answer = await streamed.api.http.get("/v1/stream", headers=headers, params=params)
    assert answer.status_code == 422
    assert answer.json()["reason_code"] == "invalid_request"


async def test_without_a_known_token_or_a_role_there_is_no_stream(streamed: StreamingApi) -> None:
    assert (await streamed.api.http.get("/v1/stream")).status_code == 401
    async with streamed.stream(token="slc_" + "x" * 43) as unknown:
        assert unknown.response.status_code == 401
    async with streamed.stream(by="nobody") as without_role:
        assert without_role.response.status_code == 403


async def test_another_tenants_events_are_never_seen(streamed: StreamingApi) -> None:
    async with streamed.stream() as live:
        [hello] = await live.take(1)
        await streamed.write(2, "prp_theirs", tenant="other")
        await streamed.write(1, "prp_ours")
        await streamed.write(2, "prp_theirs", tenant="other")
        await streamed.write(1, "prp_ours")
        seen = await live.take(2)
    async with streamed.stream(last_event_id=hello.id) as later:
        replayed = (await later.take(3))[1:]
    assert [event.data["subject"] for event in seen] == ["prp_ours", "prp_ours"]
    assert seen == replayed


async def test_a_quiet_clients_id_moves_on_with_the_pings(streamed: StreamingApi) -> None:
    async with streamed.stream(topic="breaker") as reading:
        [hello] = await reading.take(1)
        await streamed.write(5)
        for _ in range(20):
            with pytest.raises(TimeoutError):
                await reading.take(1, within=1.5)
            if reading.comments and reading.last_id == hello.id + 5:
                break
    assert "ping" in reading.comments
    assert reading.last_id == hello.id + 5


@pytest.mark.parametrize("how", ["revoked", "expired"])
async def test_a_stream_ends_with_its_token(streamed: StreamingApi, how: str) -> None:
    mia = Principal(kind=PrincipalKind.HUMAN, subject="mia", roles=(Role.VIEWER,))
    expires_at = utc_now() + timedelta(seconds=5) if how == "expired" else None
    async with streamed.database.transaction() as connection:
        token = await tokens.issue(connection, mia, actor=SYSTEM, expires_at=expires_at, tenant="default")
    async with streamed.stream(token=token) as reading:
        assert len(await reading.take(1)) == 1
        if how == "revoked":
            async with streamed.database.transaction() as connection:
                await tokens.revoke(connection, tokens.token_id(token), actor=SYSTEM, tenant="default")
        assert await reading.take(1) == []
    assert streamed.feed.open_streams == 0


async def _has_seen(streamed: StreamingApi, number: int) -> None:
    for _ in range(1_000):
        if streamed.feed.seen == number:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"the feed has not seen {number}")


async def test_a_client_far_behind_or_from_another_log_is_told_to_load_anew(
    migrated_database_url: str,
) -> None:
    limits = Limits(gap=20, kept=5, page=4, gather=0.02, poll=0.2)
    async with streaming(migrated_database_url, limits) as streamed:
        await streamed.write(30)
        newest = (await streamed.numbers())[-1]
        await _has_seen(streamed, newest)
        for stranger in (newest - 21, newest + 1_000):
            async with streamed.stream(last_event_id=stranger) as reading:
                hello, reset = await reading.take(2)
                assert (hello.name, hello.id) == ("hello", stranger)
                assert (reset.name, reset.id) == ("reset", newest)
                await streamed.write()
                [update] = await reading.take(1)
                newest += 1
                assert update.id == newest
        async with streamed.stream(last_event_id=newest - 20) as reading:
            caught_up = (await reading.take(21))[1:]
        assert [event.id for event in caught_up] == list(range(newest - 19, newest + 1))


async def test_there_are_never_more_streams_than_the_process_can_hold(migrated_database_url: str) -> None:
    async with (
        streaming(migrated_database_url, Limits(streams=2)) as streamed,
        streamed.stream() as first,
        streamed.stream() as second,
    ):
        await first.take(1)
        await second.take(1)
        async with streamed.stream() as third:
            assert third.response.status_code == 503
            assert third.response.json()["reason_code"] == "too_many_streams"


async def test_nobody_takes_the_streams_of_everybody(migrated_database_url: str) -> None:
    async with (
        streaming(migrated_database_url, Limits(streams=10, per_reader=2)) as streamed,
        streamed.stream() as first,
    ):
        await first.take(1)
        async with streamed.stream() as second:
            await second.take(1)
            async with streamed.stream() as third, streamed.stream(by="ben") as of_another:
                assert third.response.status_code == 429
                assert third.response.json()["reason_code"] == "too_many_streams"
                assert len(await of_another.take(1)) == 1
        await until(lambda: streamed.feed.open_streams == 1)
        async with streamed.stream() as again:
            assert len(await again.take(1)) == 1


async def test_many_that_come_at_the_same_moment_are_no_more_than_may(migrated_database_url: str) -> None:
    async with streaming(migrated_database_url, Limits(per_reader=3)) as streamed, AsyncExitStack() as stack:
        asked = [stack.enter_async_context(streamed.stream()) for _ in range(12)]
        readings = [one for one in await asyncio.gather(*asked) if one.response.status_code == 200]
        greeted = await asyncio.gather(*(one.take(1) for one in readings))
        assert sum(bool(events) for events in greeted) == 3
        assert streamed.feed.open_streams == 3


async def test_a_client_that_does_not_read_is_cut_off_and_resumes(migrated_database_url: str) -> None:
    limits = Limits(gather=0.01, poll=0.2, kept=100, send=0.5, ping=60)
    async with streaming(migrated_database_url, limits, send_buffer=4_096) as streamed:
        slow = stalled_client(streamed)
        await until(lambda: streamed.feed.open_streams == 1)
        async with streamed.stream() as attentive:
            [hello] = await attentive.take(1)
            for _ in range(20):
                await streamed.write(100)
            seen = await attentive.take(2_000)
            await until(lambda: streamed.feed.open_streams == 1)
        assert [event.id for event in seen] == list(range(hello.id + 1, hello.id + 2_001))
        read = await asyncio.to_thread(drain, slow)
        last = max(int(line[4:]) for line in whole_events(read) if line.startswith("id: "))
        assert last < hello.id + 2_000
        async with streamed.stream(last_event_id=last) as again:
            rest = (await again.take(hello.id + 2_001 - last))[1:]
        assert [event.id for event in rest] == list(range(last + 1, hello.id + 2_001))


def stalled_client(streamed: StreamingApi) -> socket.socket:
    """A client that asks for everything and then does not read."""
    host, port = streamed.url.removeprefix("http://").split(":")
    slow = socket.socket()
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2_048)
    slow.connect((host, int(port)))
    asking = "".join(f"{name}: {value}\r\n" for name, value in streamed.api.headers("vera").items())
    slow.sendall(f"GET /v1/stream?after=-1 HTTP/1.1\r\nHost: {host}\r\n{asking}\r\n".encode())
    return slow


def drain(slow: socket.socket) -> str:
    slow.settimeout(10)
    read = b""
    while more := slow.recv(65_536):
        read += more
    slow.close()
    return read.decode()


def whole_events(read: str) -> list[str]:
    """Lines of the events that arrived whole, without the chunks' framing."""
    lines = read.partition("\r\n\r\n")[2].replace("\r\n", "\n").split("\n")
    return [line for line in lines[:-1] if line.startswith("id: ")]


async def test_a_stopping_process_ends_twenty_streams_at_once(migrated_database_url: str) -> None:
    async with streaming(migrated_database_url) as streamed, AsyncExitStack() as stack:
        readings = [await stack.enter_async_context(streamed.stream()) for _ in range(20)]
        for reading in readings:
            assert [event.name for event in await reading.take(1)] == ["hello"]
        began = time.monotonic()
        streamed.server.handle_exit(signal.SIGTERM, None)
        ends = await asyncio.gather(*(reading.take(1) for reading in readings))
        await streamed.served
        assert time.monotonic() - began < STOP_WITHIN
        assert ends == [[]] * 20


async def test_a_client_that_does_not_read_does_not_hold_up_the_stop(migrated_database_url: str) -> None:
    async with streaming(migrated_database_url, Limits(gather=0.01), send_buffer=4_096) as streamed:
        stalled = stalled_client(streamed)
        await until(lambda: streamed.feed.open_streams == 1)
        for _ in range(10):
            await streamed.write(100)
        last = (await streamed.numbers())[-1]
        async with streamed.stream(last_event_id=last - 1) as attentive:
            assert [event.id for event in await attentive.take(2)] == [last - 1, last]
        began = time.monotonic()
        streamed.server.handle_exit(signal.SIGTERM, None)
        await streamed.served
        assert time.monotonic() - began < STOP_WITHIN
        stalled.close()
