"""A body too large, on a real socket: its sender hears why, unless it never ends."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from types import SimpleNamespace

import pytest
from fastapi import FastAPI

from api.bodies import MAX_DISCARDED, StrictBodies
from api.server import server_for

LARGE = 12 * 1024 * 1024
"""More than the buffers of a connection take, so that whoever sends it needs a reader."""
PIECE = b" " * 65_536


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Connect to a server that accepts no body but strict ones."""
    app = FastAPI()
    app.add_middleware(StrictBodies)
    app.state.feed = SimpleNamespace(close=lambda: None)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = server_for(app, "127.0.0.1", 0)
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        reader, writer = await asyncio.open_connection(*listening.getsockname())
        try:
            yield reader, writer
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
            server.should_exit = True
            await serving


def head(*lines: str) -> bytes:
    return "\r\n".join(("POST /v1/requests HTTP/1.1", "Host: here", *lines, "", "")).encode()


async def answer(reader: asyncio.StreamReader) -> tuple[str, str]:
    """Return the first line and the body of all that comes until the connection is closed."""
    first, _, rest = (await reader.read()).decode().partition("\r\n")
    return first, rest.partition("\r\n\r\n")[2]


async def send_for_ever(writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"%x\r\n%s\r\n" % (len(PIECE), PIECE))
        await writer.drain()


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine takes its time."""
    monkeypatch.setattr("api.bodies.DISCARD_WITHIN", 600)
    monkeypatch.setattr("api.bodies.READ_WITHIN", 600)


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("announced", [True, False], ids=["announced", "in chunks"])
async def test_whoever_sends_a_body_too_large_before_reading_hears_why_it_was_refused(
    *, announced: bool
) -> None:
    async with connected() as (reader, writer):
        writer.write(head(f"Content-Length: {LARGE}" if announced else "Transfer-Encoding: chunked"))
        for _ in range(LARGE // len(PIECE)):
            writer.write(PIECE if announced else b"%x\r\n%s\r\n" % (len(PIECE), PIECE))
            await writer.drain()
        if not announced:
            writer.write(b"0\r\n\r\n")
        first, body = await answer(reader)
    assert first.startswith("HTTP/1.1 413 ")
    assert "body_too_large" in body


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize(
    "lines",
    [(f"Content-Length: {MAX_DISCARDED + 1}",), ("Content-Length: 100000", "Expect: 100-continue")],
    ids=["far too large", "asks first"],
)
async def test_nothing_is_waited_for_that_is_far_too_large_or_was_not_sent_yet(
    lines: tuple[str, ...],
) -> None:
    async with connected() as (reader, writer):
        writer.write(head(*lines))
        first, body = await answer(reader)
    assert first.startswith("HTTP/1.1 413 ")
    assert "body_too_large" in body


async def test_who_announces_a_large_body_and_sends_none_is_not_waited_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("api.bodies.DISCARD_WITHIN", 0.1)
    async with connected() as (reader, writer):
        writer.write(head("Content-Length: 100000"))
        first, _ = await answer(reader)
    assert first.startswith("HTTP/1.1 413 ")


@pytest.mark.usefixtures("patient")
async def test_a_body_without_an_end_is_cut() -> None:
    async with connected() as (_, writer):
        writer.write(head("Transfer-Encoding: chunked"))
        with pytest.raises(ConnectionError):
            await send_for_ever(writer)
