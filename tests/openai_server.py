"""A chat model's endpoint on 127.0.0.1 that speaks OpenAI's wire format, and can be as hostile as a test wants.

    from tests.openai_server import chat_server
    __all__ = ["chat_server"]

`chat_server.script(...)` queues one behaviour per call; the last one repeats. A behaviour takes the decoded body of a
`/v1/chat/completions` call and returns an answer; `calls` keeps every body and `headers` what came with it.
A call that asks for a stream gets one, chunk by chunk as OpenAI cuts it; `typing` does it slowly.
"""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

KEY = "sk-canary-7c1f0e0c5d"
Body = dict[str, Any]
Behaviour = Callable[[web.Request, Body], Awaitable[web.StreamResponse]]


class ChatServer:
    """The running server."""

    def __init__(self) -> None:
        self.calls: list[Body] = []
        self.headers: list[dict[str, str]] = []
        self.base_url = ""
        self._script: list[Behaviour] = [text("nothing was scripted")]

    def script(self, *behaviours: Behaviour) -> None:
        """Answer with these, one per call; the last one repeats."""
        self._script = list(behaviours)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve one call."""
        body = await request.json()
        self.calls.append(body)
        self.headers.append(dict(request.headers))
        behaviour = self._script[0] if len(self._script) == 1 else self._script.pop(0)
        return await behaviour(request, body)


def completion(message: Body, *, prompt_tokens: int = 100, completion_tokens: int = 20) -> Body:
    """Return a whole `chat.completion` object."""
    reason = "tool_calls" if message.get("tool_calls") else "stop"
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": "stub-1",
        "choices": [{"index": 0, "message": {"role": "assistant"} | message, "finish_reason": reason}],
        "usage": {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": prompt_tokens + completion_tokens,
        },
    }


def calling(*calls: tuple[str, Any]) -> Body:
    """Return a message that calls tools; arguments that are no string are dumped."""
    return {
        "content": None,
        "tool_calls": [
            {
                "id": f"call_{index}",
                "type": "function",
                "function": {
                    "name": name,
                    "arguments": given if isinstance(given, str) else json.dumps(given),
                },
            }
            for index, (name, given) in enumerate(calls)
        ],
    }


def answering(make: Callable[[Body], Body]) -> Behaviour:
    """Answer with the message that `make` returns for the call's body, streamed if the caller wants a stream."""

    async def behave(request: web.Request, body: Body) -> web.StreamResponse:
        return await respond(request, body, make(body))

    return behave


async def respond(
    request: web.Request, body: Body, message: Body, *, prompt_tokens: int = 100
) -> web.StreamResponse:
    """Answer as the caller asked for it."""
    if body.get("stream"):
        return await stream(request, chunks_of(message, prompt_tokens=prompt_tokens))
    return web.json_response(completion(message, prompt_tokens=prompt_tokens))


def in_a_piece(make: Callable[[Body], Body]) -> Behaviour:
    """Answer whole, like an endpoint that does not know how to stream."""

    async def behave(request: web.Request, body: Body) -> web.StreamResponse:
        return web.json_response(completion(make(body)))

    return behave


def typing(message: Body, *, pause: float = 0.05, size: int = 8, stop_after: int | None = None) -> Behaviour:
    """Stream a message slowly, `size` characters at a time; `stop_after` so many chunks the connection breaks."""

    async def behave(request: web.Request, body: Body) -> web.StreamResponse:
        return await stream(request, chunks_of(message, size=size), pause=pause, stop_after=stop_after)

    return behave


def streaming(*lines: str) -> Behaviour:
    """Stream these `data:` lines, whatever they are."""

    async def behave(request: web.Request, body: Body) -> web.StreamResponse:
        return await stream(request, lines)

    return behave


async def stream(
    request: web.Request, chunks: Sequence[Body | str], *, pause: float = 0.0, stop_after: int | None = None
) -> web.StreamResponse:
    """Send server-sent events, one per chunk."""
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
    await response.prepare(request)
    for number, chunk in enumerate(chunks):
        if number == stop_after:
            assert request.transport is not None
            request.transport.close()
            return response
        data = chunk if isinstance(chunk, str) else json.dumps(chunk)
        try:
            await response.write(f"data: {data}\n\n".encode())
        except ConnectionResetError:
            return response
        await asyncio.sleep(pause)
    return response


def chunks_of(
    message: Body, *, size: int | None = None, prompt_tokens: int = 100, completion_tokens: int = 20
) -> list[Body | str]:
    """Return a message as OpenAI streams it: role, parts of texts and arguments, the reason of its end, the usage."""
    deltas: list[Body] = [{"role": "assistant", "content": None if message.get("tool_calls") else ""}]
    deltas += [{"content": part} for part in _cut(message.get("content") or "", size)]
    for index, call in enumerate(message.get("tool_calls") or ()):
        called = {"name": call["function"]["name"], "arguments": ""}
        deltas.append(
            {"tool_calls": [{"index": index, "id": call["id"], "type": "function", "function": called}]}
        )
        deltas += [
            {"tool_calls": [{"index": index, "function": {"arguments": part}}]}
            for part in _cut(call["function"]["arguments"], size)
        ]
    reason = "tool_calls" if message.get("tool_calls") else "stop"
    choices: list[list[Body]] = [[{"index": 0, "delta": delta, "finish_reason": None}] for delta in deltas]
    choices.append([{"index": 0, "delta": {}, "finish_reason": reason}])
    usage = {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
    }
    frame: Body = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1_700_000_000,
        "model": "stub-1",
    }
    told = [frame | {"choices": one, "usage": None} for one in choices]
    return [*told, frame | {"choices": [], "usage": usage}, "[DONE]"]


def _cut(text: str, size: int | None) -> list[str]:
    step = size or max(1, len(text) // 3)
    return [text[start : start + step] for start in range(0, len(text), step)]


def tools(*calls: tuple[str, Any]) -> Behaviour:
    """Call tools."""
    return answering(lambda body: calling(*calls))


def finish(outcome: str, text: str = "Done thinking.", actions: Any = ()) -> Behaviour:
    """End with `finish`."""
    return tools(("finish", {"outcome": outcome, "text": text, "actions": actions}))


def propose(*actions: Any) -> Behaviour:
    """End with proposed actions, each wrapped as the tool wants it."""
    wrapped = [{"action": action, "rationale": "because", "confidence": 0.9} for action in actions]
    return finish("proposed", actions=wrapped)


def counting(prompt_tokens: int) -> Behaviour:
    """End with an answer, and claim that so many tokens were read."""

    async def behave(request: web.Request, body: Body) -> web.StreamResponse:
        message = calling(("finish", {"outcome": "answered", "text": "Done thinking."}))
        return await respond(request, body, message, prompt_tokens=prompt_tokens)

    return behave


def text(content: str) -> Behaviour:
    """Answer in free text."""
    return answering(lambda body: {"content": content})


def status(code: int, headers: dict[str, str] | None = None, *, echo_key: bool = False) -> Behaviour:
    """Fail with an HTTP status; `echo_key` repeats the caller's Authorization in the error."""

    async def behave(request: web.Request, body: Body) -> web.StreamResponse:
        shown = request.headers.get("Authorization", "") if echo_key else "no"
        error = {"error": {"message": shown, "type": "x", "code": "y"}}
        return web.json_response(error, status=code, headers=headers)

    return behave


def raw(
    content: bytes, content_type: str = "application/json", headers: dict[str, str] | None = None
) -> Behaviour:
    """Answer 200 with these bytes."""

    async def behave(request: web.Request, body: Body) -> web.StreamResponse:
        return web.Response(body=content, content_type=content_type, headers=headers)

    return behave


def huge(size: int = 10 * 1024 * 1024) -> Behaviour:
    """Answer with a valid completion of this many bytes."""
    return answering(lambda body: {"content": "x" * size})


def zip_bomb(size: int = 10 * 1024 * 1024) -> Behaviour:
    """The same in few bytes, compressed although nobody asked for it."""
    packed = gzip.compress(json.dumps(completion({"content": "x" * size})).encode())
    return raw(packed, headers={"Content-Encoding": "gzip"})


def hang(seconds: float = 30.0) -> Behaviour:
    """Do not answer for so long."""

    async def behave(request: web.Request, body: Body) -> web.StreamResponse:
        await asyncio.sleep(seconds)
        return web.json_response(completion({"content": "late"}))

    return behave


def trickle(every: float = 0.05, count: int = 400) -> Behaviour:
    """Send a space at a time, so that no single read ever times out."""

    async def behave(request: web.Request, body: Body) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        for _ in range(count):
            await response.write(b" ")
            await asyncio.sleep(every)
        return response

    return behave


def hang_up() -> Behaviour:
    """Close the connection without an answer."""

    async def behave(request: web.Request, body: Body) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    return behave


def breaking_off() -> Behaviour:
    """Promise a whole answer in a piece, send its beginning, and close the connection."""

    async def behave(request: web.Request, body: Body) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b'{"choices": [')
        assert request.transport is not None
        request.transport.close()
        return response

    return behave


def request_shown_to(body: Body) -> Body:
    """Return the request document that the model was shown as data."""
    shown: Body = _shown_to(body, "request")
    return shown


def earlier_shown_to(body: Body) -> list[Body]:
    """Return the earlier turns that the model was shown as data."""
    shown: list[Body] = _shown_to(body, "earlier")
    return shown


def _shown_to(body: Body, name: str) -> Any:
    users = [message["content"] for message in body["messages"] if message["role"] == "user"]
    return json.loads(users[0].partition(f"<{name}>\n")[2].partition(f"\n</{name}>")[0])


@asynccontextmanager
async def serving_chat() -> AsyncIterator[ChatServer]:
    """Serve on a free port; `base_url` ends in /v1."""
    server = ChatServer()
    app = web.Application()
    app.router.add_post("/v1/chat/completions", server.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    server.base_url = f"http://{host}:{port}/v1"
    try:
        yield server
    finally:
        await runner.cleanup()


@pytest.fixture
async def chat_server() -> AsyncIterator[ChatServer]:
    """A server for one test."""
    async with serving_chat() as server:
        yield server
