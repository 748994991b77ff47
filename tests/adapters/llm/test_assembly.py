from __future__ import annotations

from typing import Any

import pytest
from openai.types.chat import ChatCompletionChunk

from adapters.llm.assembly import MAX_CALLS, ReplyAssembly
from contracts.errors import ModelRefused
from contracts.ports import ModelReply, ToolCall

HALF = "\ud800"


def chunk(**delta: Any) -> ChatCompletionChunk:
    choices = [{"index": 0, "delta": delta, "finish_reason": "tool_calls"}]
    return ChatCompletionChunk.construct(model="m", choices=choices)


def call(call_id: str = "c", name: str = "finish", arguments: str = "{}") -> dict[str, Any]:
    return {"index": 0, "id": call_id, "function": {"name": name, "arguments": arguments}}


@pytest.mark.parametrize(
    "delta",
    [
        {"content": HALF},
        {"tool_calls": [call(call_id=HALF)]},
        {"tool_calls": [call(name=HALF)]},
        {"tool_calls": [call(arguments='{"text": "' + HALF + '"}')]},
    ],
    ids=["text", "id", "name", "arguments"],
)
def test_half_a_surrogate_pair_is_refused_before_anybody_looks_at_it(delta: dict[str, Any]) -> None:
    with pytest.raises(ModelRefused):
        ReplyAssembly(1_000).add(chunk(**delta))


@pytest.mark.parametrize("field", ["id", "name", "arguments"])
def test_no_tool_call_can_carry_what_nothing_can_keep(field: str) -> None:
    with pytest.raises(ValueError, match="surrogates not allowed"):
        ToolCall.model_validate({"id": "c", "name": "n", "arguments": "{}"} | {field: HALF})


@pytest.mark.parametrize("field", ["text", "model"])
def test_no_reply_can_either(field: str) -> None:
    with pytest.raises(ValueError, match="surrogates not allowed"):
        ModelReply.model_validate({field: HALF})
    assert ModelReply.model_validate({field: "größer 🚀"})


def test_more_calls_than_anybody_looks_at_are_refused() -> None:
    assembly = ReplyAssembly(10_000)
    for index in range(MAX_CALLS):
        assembly.add(chunk(tool_calls=[call() | {"index": index}]))
    with pytest.raises(ModelRefused, match="too large"):
        assembly.add(chunk(tool_calls=[call() | {"index": MAX_CALLS}]))


def test_a_call_whose_number_is_none_is_refused() -> None:
    with pytest.raises(ModelRefused):
        ReplyAssembly(1_000).add(chunk(tool_calls=[call() | {"index": "first"}]))


def test_calls_that_are_text_are_assembled() -> None:
    assembly = ReplyAssembly(1_000)
    assembly.add(chunk(tool_calls=[call(arguments='{"text": "größer')]))
    assembly.add(
        chunk(
            tool_calls=[call(arguments=' 🚀"}') | {"id": None, "function": {"arguments": chr(32) + '🚀"}'}}]
        )
    )
    assert assembly.whole().tool_calls[0].arguments.endswith('größer 🚀"}')
