"""Open streams are measured where each told of every decision soon enough, whatever else they told of."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from multiprocessing import Pipe

import httpx
import pytest

from benchmarks import streams
from benchmarks.processes import Beside
from benchmarks.streams import Ballot, Streams, in_turns

SOON = 2.0


def update(type_: str, subject: str) -> str:
    return f"event: proposal\ndata: {json.dumps({'type': type_, 'subject': subject})}\nid: 1\n\n"


MOVED = update("proposal.moved", "prp_of_the_worker")
DECIDED = {name: update("decision.recorded", name) for name in ("prp_1", "prp_2")}


@asynccontextmanager
async def streaming(*told: Sequence[str]) -> AsyncIterator[str]:
    """A server whose first stream tells of the first of these, its second of the second, and so on."""
    turns = iter(told)
    opened: list[asyncio.Task[None] | None] = []

    async def stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened.append(asyncio.current_task())
        writer.write("".join(["event: hello\ndata: {}\n\n", *next(turns)]).encode())
        await reader.read()
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(stream, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        yield f"http://{host}:{port}"
        await asyncio.gather(*filter(None, opened))


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "TOLD_WITHIN", SOON)


async def lacking(address: str, count: int) -> int:
    opened = await Streams.open(count, address, {})
    return await opened.close(DECIDED)


async def test_streams_that_told_of_every_decision_lack_nothing() -> None:
    everything = [MOVED, *DECIDED.values()]
    async with streaming(everything, everything) as address:
        assert await lacking(address, 2) == 0


async def test_a_stream_that_told_of_much_and_not_of_a_decision_in_time_is_found() -> None:
    much = [MOVED] * 100
    async with streaming([*much, *DECIDED.values()], [*much, DECIDED["prp_1"]], much) as address:
        assert await lacking(address, 3) == 2


@pytest.mark.parametrize("lacking", [0, 1])
async def test_nothing_is_measured_where_a_stream_lacks_a_decision(
    lacking: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def answer(_: Beside, word: object) -> object:
        return word if word == 3 else (50, lacking)

    monkeypatch.setattr(Beside, "answer", answer)
    api = httpx.MockTransport(lambda _: httpx.Response(200))
    ballots: list[Ballot] = [("prp_1", {}), ("prp_2", {})]
    readers = Beside("the readers", Pipe()[0])
    async with httpx.AsyncClient(transport=api, base_url="http://api") as client:
        measured = in_turns(3, client, iter(ballots), readers, 1, decisions=1)
        if lacking:
            with pytest.raises(RuntimeError, match="1 streams did not tell"):
                await measured
        else:
            [(_, streamed)] = await measured
            assert streamed.received == 50
