from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from pydantic import SecretStr

from adapters.llm.openai_chat import MAX_RESPONSE_BYTES, OpenAIChat
from adapters.store.database import Database, NetworkInsideTransaction
from contracts.errors import ModelRefused, ModelUnavailable
from contracts.ports import ToolCall
from tests import openai_server
from tests.openai_server import KEY, Behaviour, ChatServer

MESSAGES = [{"role": "user", "content": "hello"}]
TOOLS = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]


@pytest.fixture
async def chat(chat_server: ChatServer) -> AsyncIterator[OpenAIChat]:
    async with asking(chat_server, timeout=timedelta(seconds=60)) as opened:
        yield opened


@pytest.fixture
async def hurried(chat_server: ChatServer) -> AsyncIterator[OpenAIChat]:
    """One that soon gives up."""
    async with asking(chat_server, timeout=timedelta(seconds=0.5)) as opened:
        yield opened


@asynccontextmanager
async def asking(chat_server: ChatServer, timeout: timedelta) -> AsyncIterator[OpenAIChat]:
    opened = OpenAIChat(
        api_key=SecretStr(KEY),
        model="some-model",
        base_url=chat_server.base_url,
        timeout=timeout,
        max_output_tokens=321,
    )
    yield opened
    await opened.close()


async def test_a_tool_call_comes_back_as_the_model_spelled_it(
    chat: OpenAIChat, chat_server: ChatServer
) -> None:
    chat_server.script(openai_server.tools(("look", '{"x": 1')))
    reply = await chat.complete(MESSAGES, TOOLS)
    assert reply.tool_calls == (ToolCall(id="call_0", name="look", arguments='{"x": 1'),)
    assert (reply.input_tokens, reply.output_tokens, reply.model) == (100, 20, "stub-1")


async def test_the_call_carries_model_tools_limit_and_key(chat: OpenAIChat, chat_server: ChatServer) -> None:
    chat_server.script(openai_server.text("hi"))
    assert (await chat.complete(MESSAGES, TOOLS)).text == "hi"
    sent = chat_server.calls[0]
    assert sent["messages"] == MESSAGES
    assert sent["tools"] == TOOLS
    assert (sent["model"], sent["tool_choice"], sent["max_completion_tokens"]) == (
        "some-model",
        "required",
        321,
    )
    assert (sent["stream"], sent["stream_options"]) == (True, {"include_usage": True})
    assert chat_server.headers[0]["Authorization"] == f"Bearer {KEY}"


async def test_an_endpoint_that_answers_in_a_piece_is_as_good(
    chat: OpenAIChat, chat_server: ChatServer
) -> None:
    message = openai_server.calling(("look", '{"x": 1'), ("look", "{}"))
    chat_server.script(
        openai_server.answering(lambda _: message), openai_server.in_a_piece(lambda _: message)
    )
    streamed = await chat.complete(MESSAGES, TOOLS)
    assert await chat.complete(MESSAGES, TOOLS) == streamed
    assert [call.arguments for call in streamed.tool_calls] == ['{"x": 1', "{}"]


async def test_somebody_may_watch_the_answer_being_written(chat: OpenAIChat, chat_server: ChatServer) -> None:
    chat_server.script(openai_server.typing({"content": "one two three four five"}, pause=0.08, size=4))
    seen: list[str] = []
    reply = await chat.complete(MESSAGES, TOOLS, lambda part: seen.append(part.text))
    assert reply.text == "one two three four five"
    assert 1 <= len(seen) < 6
    assert 0 < len(seen[0]) < len(reply.text)
    assert all(reply.text.startswith(part) for part in seen)


async def test_a_stream_that_breaks_off_may_pass(chat: OpenAIChat, chat_server: ChatServer) -> None:
    message = openai_server.calling(("finish", {"outcome": "answered", "text": "a long sentence"}))
    chat_server.script(openai_server.typing(message, pause=0, stop_after=4))
    with pytest.raises(ModelUnavailable):
        await chat.complete(MESSAGES, TOOLS)


async def test_a_stream_that_ends_before_its_end_may_pass(chat: OpenAIChat, chat_server: ChatServer) -> None:
    begun = openai_server.chunks_of({"content": "one two three"})[:3]
    chat_server.script(openai_server.streaming(*(json.dumps(chunk) for chunk in begun)))
    with pytest.raises(ModelUnavailable):
        await chat.complete(MESSAGES, TOOLS)


async def test_an_error_in_the_midst_of_a_stream_may_pass(chat: OpenAIChat, chat_server: ChatServer) -> None:
    begun = json.dumps(openai_server.chunks_of({"content": "one"})[0])
    chat_server.script(openai_server.streaming(begun, json.dumps({"error": {"message": KEY, "code": 500}})))
    with pytest.raises(ModelUnavailable) as caught:
        await chat.complete(MESSAGES, TOOLS)
    assert KEY not in str(caught.value)


def chunk(delta: object) -> str:
    """A chunk that carries this, and claims to be the last."""
    return json.dumps({"choices": [{"index": 0, "delta": delta, "finish_reason": "stop"}]})


CALL = {"index": 0, "id": "c", "type": "function", "function": {"name": "look", "arguments": "{}"}}


@pytest.mark.parametrize(
    "lines",
    [
        [],
        ["[DONE]"],
        ["not json"],
        ["null"],
        ["5"],
        ['{"choices": 5}'],
        ['{"choices": [5]}'],
        [chunk(None)],
        [chunk({"content": 5})],
        [chunk({"tool_calls": "x"})],
        [chunk({"tool_calls": [CALL | {"index": "first"}]}), chunk({"tool_calls": [CALL]})],
        [chunk({"tool_calls": [CALL | {"id": 5}]})],
        [chunk({"tool_calls": [CALL | {"function": {"name": ["x"]}}]})],
        [json.dumps({"choices": [], "usage": {"prompt_tokens": -1, "completion_tokens": "x"}}), chunk({})],
        [chunk({"tool_calls": [CALL | {"index": index}]}) for index in range(80)],
        [chunk({"content": "x" * 64 * 1024})] * 5,
    ],
    ids=[
        "nothing", "only-its-end", "no-json", "null", "number", "choices", "choice", "no-delta", "content",
        "calls", "index", "id", "name", "usage", "80-calls", "320-kb",
    ],
)  # fmt: skip
async def test_a_stream_that_is_no_answer_is_refused_and_never_believed(
    chat: OpenAIChat, chat_server: ChatServer, lines: list[str]
) -> None:
    chat_server.script(openai_server.streaming(*lines))
    with pytest.raises(ModelRefused):
        await chat.complete(MESSAGES, TOOLS)


async def test_a_stream_without_an_end_is_left_after_the_time_out(
    hurried: OpenAIChat, chat_server: ChatServer
) -> None:
    chat_server.script(openai_server.typing({"content": "x" * 4_000}, size=1))
    began = time.monotonic()
    with pytest.raises(ModelUnavailable):
        await hurried.complete(MESSAGES, TOOLS)
    assert time.monotonic() - began < 10


async def test_a_stream_with_a_line_without_an_end_does_not_fill_the_memory(
    chat: OpenAIChat, chat_server: ChatServer
) -> None:
    chat_server.script(openai_server.raw(b"data: " + b"x" * 10 * 1024 * 1024, "text/event-stream"))
    with pytest.raises(ModelRefused, match="too large"):
        await chat.complete(MESSAGES, TOOLS)


@pytest.mark.parametrize("code", [408, 409, 429, 500, 502, 503, 504])
async def test_a_failure_that_may_pass_is_asked_once_and_reported_as_unavailable(
    chat: OpenAIChat, chat_server: ChatServer, code: int
) -> None:
    chat_server.script(openai_server.status(code))
    with pytest.raises(ModelUnavailable):
        await chat.complete(MESSAGES, TOOLS)
    assert len(chat_server.calls) == 1


@pytest.mark.parametrize("code", [301, 307, 400, 401, 403, 404, 422])
async def test_a_refusal_for_good_is_not_worth_another_attempt(
    chat: OpenAIChat, chat_server: ChatServer, code: int
) -> None:
    chat_server.script(openai_server.status(code, {"Location": "/elsewhere"}, echo_key=True))
    with pytest.raises(ModelRefused) as caught:
        await chat.complete(MESSAGES, TOOLS)
    assert KEY not in str(caught.value)
    assert len(chat_server.calls) == 1


async def test_retry_after_in_seconds_is_passed_on(chat: OpenAIChat, chat_server: ChatServer) -> None:
    chat_server.script(openai_server.status(429, {"Retry-After": "7"}))
    with pytest.raises(ModelUnavailable) as caught:
        await chat.complete(MESSAGES, TOOLS)
    assert caught.value.retry_after == timedelta(seconds=7)


async def test_retry_after_as_a_date_is_passed_on_and_capped(
    chat: OpenAIChat, chat_server: ChatServer
) -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(hours=3), usegmt=True)
    chat_server.script(openai_server.status(503, {"Retry-After": later}))
    with pytest.raises(ModelUnavailable) as caught:
        await chat.complete(MESSAGES, TOOLS)
    assert caught.value.retry_after == timedelta(seconds=30)


@pytest.mark.parametrize(
    "value",
    [
        "soon",
        "-1",
        "1e9",
        "²",
        "",
        f"Mon, 01 Jan {'9' * 20} 00:00:00 GMT",
        f"Mon, 01 Jan 2026 00:00:00 +{'9' * 20}",
    ],
)
async def test_a_senseless_retry_after_is_ignored(
    chat: OpenAIChat, chat_server: ChatServer, value: str
) -> None:
    chat_server.script(openai_server.status(429, {"Retry-After": value}))
    with pytest.raises(ModelUnavailable) as caught:
        await chat.complete(MESSAGES, TOOLS)
    assert caught.value.retry_after is None


@pytest.mark.parametrize(
    "behaviour", [openai_server.hang(), openai_server.trickle()], ids=["hang", "trickle"]
)
async def test_an_endpoint_that_never_ends_is_left_after_the_time_out(
    hurried: OpenAIChat, chat_server: ChatServer, behaviour: Behaviour
) -> None:
    chat_server.script(behaviour)
    began = time.monotonic()
    with pytest.raises(ModelUnavailable):
        await hurried.complete(MESSAGES, TOOLS)
    assert time.monotonic() - began < 10


async def test_a_lost_connection_may_pass(chat: OpenAIChat, chat_server: ChatServer) -> None:
    chat_server.script(openai_server.hang_up())
    with pytest.raises(ModelUnavailable):
        await chat.complete(MESSAGES, TOOLS)


async def test_an_answer_in_a_piece_that_breaks_off_may_pass(
    chat: OpenAIChat, chat_server: ChatServer
) -> None:
    chat_server.script(openai_server.breaking_off())
    with pytest.raises(ModelUnavailable):
        await chat.complete(MESSAGES, TOOLS)


async def test_nobody_listening_may_pass() -> None:
    chat = OpenAIChat(api_key=SecretStr(KEY), model="m", base_url="http://127.0.0.1:1/v1")
    with pytest.raises(ModelUnavailable):
        await chat.complete(MESSAGES, TOOLS)
    await chat.close()


@pytest.mark.parametrize(
    "behaviour",
    [
        openai_server.huge(),
        openai_server.zip_bomb(),
        openai_server.raw(b"[" * 100_000),
        openai_server.raw(b"not json"),
        openai_server.raw(b"\xff\xfe"),
        openai_server.raw(b"null"),
        openai_server.raw(b"{}"),
        openai_server.raw(b'{"choices": []}'),
        openai_server.raw(b'{"choices": [{"message": {"tool_calls": [{"type": "function"}]}}]}'),
        openai_server.raw(
            b'{"choices": [{"message": {"content": 5, "tool_calls": "x"}}], "usage": {"prompt_tokens": "many"}}'
        ),
        openai_server.raw(b"<html>busy</html>", "text/html"),
    ],
    ids=[
        "10-mb",
        "zip-bomb",
        "nested",
        "no-json",
        "no-utf8",
        "null",
        "empty",
        "no-choice",
        "no-call",
        "types",
        "html",
    ],
)
async def test_what_is_no_answer_is_refused_and_never_believed(
    chat: OpenAIChat, chat_server: ChatServer, behaviour: Behaviour
) -> None:
    chat_server.script(behaviour)
    with pytest.raises(ModelRefused):
        await chat.complete(MESSAGES, TOOLS)


async def test_an_answer_right_below_the_limit_is_read(chat: OpenAIChat, chat_server: ChatServer) -> None:
    frame = len(json.dumps(openai_server.completion({"content": ""})))
    chat_server.script(openai_server.huge(MAX_RESPONSE_BYTES - frame))
    assert len((await chat.complete(MESSAGES, TOOLS)).text) == MAX_RESPONSE_BYTES - frame


async def test_the_model_is_never_asked_inside_a_transaction(
    chat: OpenAIChat, chat_server: ChatServer, database_url: str
) -> None:
    database = Database(database_url)
    async with database.transaction():
        with pytest.raises(NetworkInsideTransaction):
            await chat.complete(MESSAGES, TOOLS)
    await database.close()
    assert chat_server.calls == []


async def test_the_key_is_in_no_representation(chat: OpenAIChat) -> None:
    assert KEY not in repr(chat)
    assert KEY not in str(vars(chat))
