"""A batch to an OPA that does not answer: nobody waits for it once for each document."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from adapters.opa.batch import OpaBatch
from contracts.errors import PolicyUnavailable


async def test_an_opa_that_says_nothing_is_not_waited_for_at_every_document() -> None:
    asked: list[asyncio.Task[None] | None] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(asyncio.current_task())
        await reader.read()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        engine = OpaBatch(f"http://127.0.0.1:{port}", timeout=timedelta(seconds=0.2), required=("any",))
        answers = await engine.evaluate_many([{"number": number} for number in range(32)])
        await engine.close()
        await asyncio.gather(*filter(None, asked), return_exceptions=True)
    assert [type(one) for one in answers] == [PolicyUnavailable] * 32
    assert len(asked) <= 2
