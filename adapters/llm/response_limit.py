"""A cap on what is read from the model's endpoint: a hostile or broken one cannot fill our memory."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2


class ResponseTooLarge(Exception):
    """The body is longer than the limit, or encoded in a way that hides its length."""


class _LimitedStream(httpx2.AsyncByteStream):
    def __init__(self, inner: httpx2.AsyncByteStream, limit: int) -> None:
        self._inner = inner
        self._limit = limit

    async def __aiter__(self) -> AsyncIterator[bytes]:
        read = 0
        async for chunk in self._inner:
            read += len(chunk)
            if read > self._limit:
                raise ResponseTooLarge(f"more than {self._limit} bytes")
            yield chunk

    async def aclose(self) -> None:
        await self._inner.aclose()


EVENT_STREAM = "text/event-stream"


class ResponseLimit:
    """A response hook of an httpx client. Bodies must come unencoded, so that bytes read are bytes kept.

    A streamed answer repeats its frame around every token, and only a part of it is kept: it has a limit of its own.
    """

    def __init__(self, limit: int, streamed: int) -> None:
        self._limit = limit
        self._streamed = streamed

    async def __call__(self, response: httpx2.Response) -> None:
        """Wrap the body before anything reads it.

        Raises:
            ResponseTooLarge: the headers already say that it is too large, or compressed.
        """
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise ResponseTooLarge("compressed though we asked for identity")
        stream = response.stream
        if not isinstance(stream, httpx2.AsyncByteStream):
            raise ResponseTooLarge("not a stream")
        limit = self._streamed if is_streamed(response) else self._limit
        response.stream = _LimitedStream(stream, limit)


def is_streamed(response: httpx2.Response) -> bool:
    """Tell whether the body is a stream of server-sent events."""
    media_type, _, _ = response.headers.get("content-type", "").partition(";")
    return media_type.strip().lower() == EVENT_STREAM
