"""REQUEST → PROPOSAL: one call of an OpenAI-compatible chat model. No retries here; Temporal retries.

The endpoint is not trusted: total time and bytes read are bounded, and nothing it says is believed beyond its shape.
The answer is asked for as a stream, so that somebody can watch it being written; one that comes in a piece, because the
endpoint cannot stream, is as good.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, cast

from pydantic import SecretStr

from adapters.llm.assembly import ReplyAssembly
from adapters.llm.response_limit import ResponseLimit, ResponseTooLarge, is_streamed
from adapters.store.database import forbid_in_transaction
from contracts.errors import ModelRefused, ModelUnavailable, SluiceError
from contracts.ports import ModelReply, ToolCall, Watcher

if TYPE_CHECKING:
    import httpx2
    from openai import APIStatusError, AsyncStream
    from openai.types.chat import ChatCompletion, ChatCompletionChunk

DEFAULT_BASE_URL = "https://api.openai.com/v1"
MAX_RESPONSE_BYTES = 256 * 1024
"""A reply of 2,000 output tokens is about 10 KB."""
STREAMED_BYTES_PER_TOKEN = 1024
"""On the wire, a token in a stream is wrapped in a few hundred bytes of JSON."""
WATCH_EVERY_SECONDS = 0.3
"""Between two looks at an answer that is still being written."""
MAX_RETRY_AFTER = timedelta(seconds=30)
"""A longer Retry-After is cut: the rules planner answers sooner."""
_RETRYABLE_4XX = frozenset({408, 409, 425, 429})


class OpenAIChat:
    """A `ChatModel` over the `openai` client, for any base URL that speaks `/chat/completions`."""

    def __init__(
        self,
        *,
        api_key: SecretStr,
        model: str,
        base_url: str | None = None,
        timeout: timedelta = timedelta(seconds=30),
        max_output_tokens: int = 2_000,
    ) -> None:
        """Open a lazy client. `timeout` bounds the whole call: connecting, waiting and reading."""
        import httpx2
        from openai import AsyncOpenAI

        self._model = model
        self._timeout = timeout.total_seconds()
        self._max_output_tokens = max_output_tokens
        self._http = httpx2.AsyncClient(
            timeout=self._timeout,
            follow_redirects=False,
            headers={"accept-encoding": "identity"},
            event_hooks={
                "response": [
                    ResponseLimit(
                        MAX_RESPONSE_BYTES,
                        streamed=max(MAX_RESPONSE_BYTES, STREAMED_BYTES_PER_TOKEN * max_output_tokens),
                    )
                ]
            },
        )
        self._client = AsyncOpenAI(
            api_key=api_key.get_secret_value(),
            base_url=base_url or DEFAULT_BASE_URL,
            timeout=self._timeout,
            max_retries=0,
            http_client=self._http,
        )

    async def complete(
        self,
        messages: Sequence[Mapping[str, Any]],
        tools: Sequence[Mapping[str, Any]],
        watch: Watcher | None = None,
    ) -> ModelReply:
        """Return the next reply. See `contracts.ports.ChatModel`."""
        import httpx2
        from openai import APIConnectionError, APIError, APIStatusError, APITimeoutError, OpenAIError

        forbid_in_transaction()
        try:
            async with asyncio.timeout(self._timeout):
                return await self._ask(messages, tools, watch)
        except (TimeoutError, APITimeoutError) as error:
            raise ModelUnavailable("the model did not answer in time") from error
        except APIStatusError as error:
            raise _of_status(error) from error
        except ResponseTooLarge as error:
            raise ModelRefused("the model's answer is too large") from error
        except APIConnectionError as error:
            raise ModelUnavailable("the model's endpoint cannot be reached") from error
        except httpx2.TransportError as error:  # comes through bare while an answer in a piece is read
            raise ModelUnavailable("the model's answer broke off") from error
        except APIError as error:  # an error in the midst of a stream
            raise ModelUnavailable("the model's endpoint failed while it answered") from error
        except (OpenAIError, json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ModelRefused("the model's endpoint sent something that is no answer") from error

    async def _ask(
        self,
        messages: Sequence[Mapping[str, Any]],
        tools: Sequence[Mapping[str, Any]],
        watch: Watcher | None,
    ) -> ModelReply:
        raw = await self._client.chat.completions.with_raw_response.create(
            model=self._model,
            messages=cast("Any", list(messages)),
            tools=cast("Any", list(tools)),
            tool_choice="required",
            max_completion_tokens=self._max_output_tokens,
            stream=True,
            stream_options={"include_usage": True},
        )
        response = raw.http_response
        try:
            if is_streamed(response):
                return await _streamed(raw.parse(), watch)
            return _in_a_piece(await response.aread())
        finally:
            await response.aclose()

    async def close(self) -> None:
        """Close pooled connections."""
        await self._http.aclose()


async def _streamed(stream: AsyncStream[ChatCompletionChunk], watch: Watcher | None) -> ModelReply:
    assembly, looked = ReplyAssembly(MAX_RESPONSE_BYTES), time.monotonic()
    async for chunk in stream:
        assembly.add(chunk)
        if watch is not None and time.monotonic() - looked >= WATCH_EVERY_SECONDS:
            watch(assembly.so_far())
            looked = time.monotonic()
    return assembly.whole()


def _in_a_piece(body: bytes) -> ModelReply:
    from openai.types.chat import ChatCompletion

    decoded = json.loads(body)
    if not isinstance(decoded, dict):
        raise ModelRefused("the model's endpoint sent something that is no answer")
    believed = {name: decoded[name] for name in ("choices", "usage", "model") if name in decoded}
    return _reply(ChatCompletion.construct(**believed))


def _of_status(error: APIStatusError) -> SluiceError:
    status = error.status_code
    if status >= 500 or status in _RETRYABLE_4XX:
        message = f"the model's endpoint answered HTTP {status}"
        return ModelUnavailable(message, retry_after=_retry_after(error.response))
    return ModelRefused(f"the model's endpoint refused the call with HTTP {status}")


def _retry_after(response: httpx2.Response) -> timedelta | None:
    """Read Retry-After (RFC 9110 §10.2.3): seconds or an HTTP date."""
    value = response.headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit() and len(value) < 7:
        return min(timedelta(seconds=int(value)), MAX_RETRY_AFTER)
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        return None
    return max(timedelta(0), min(moment - datetime.now(UTC), MAX_RETRY_AFTER))


def _reply(completion: ChatCompletion) -> ModelReply:
    """Take from the client's loosely typed answer what we believe to be there, checked by our own noun."""
    try:
        message = completion.choices[0].message
        calls = tuple(
            ToolCall(id=call.id, name=call.function.name, arguments=call.function.arguments)
            for call in message.tool_calls or ()
            if call.type == "function"
        )
        usage = completion.usage
        return ModelReply(
            text=message.content or "",
            tool_calls=calls,
            input_tokens=usage.prompt_tokens if usage else 0,
            output_tokens=usage.completion_tokens if usage else 0,
            model=completion.model or "",
        )
    except (AttributeError, IndexError, TypeError, ValueError) as error:
        raise ModelRefused("the model's endpoint sent something that is no answer") from error
