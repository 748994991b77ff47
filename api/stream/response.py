"""The response of a stream: chunks as they come, and an end for a client that does not read them.

FastAPI's own way for `yield` routes costs two more tasks and a queue per stream and encodes every event for every
client; here all streams share the encoded bytes, and whatever is due goes out in one write.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import structlog
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

EVENT_STREAM = "sluice.event_stream"
"""Key in the ASGI scope of a request that is answered by an event stream: it never ends by itself."""

_log = structlog.get_logger(__name__)


class EventStream(StreamingResponse):
    """A client that takes nothing for `send_within` seconds is cut off and may resume."""

    media_type = "text/event-stream"

    def __init__(self, chunks: AsyncGenerator[bytes, None], send_within: float) -> None:
        # nginx would hold events back otherwise.
        super().__init__(chunks, headers={"X-Accel-Buffering": "no"})
        self._chunks = chunks
        self._send_within = send_within

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stream until the chunks end or the client goes."""
        scope[EVENT_STREAM] = True
        await super().__call__(scope, receive, send)

    async def stream_response(self, send: Send) -> None:
        """Send the head, every chunk, and the end, unless the client stopped reading."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async with aclosing(self._chunks):
            async for chunk in self._chunks:
                if not await self._sent(send, chunk, more=True):
                    return
            await self._sent(send, b"", more=False)

    async def _sent(self, send: Send, body: bytes, *, more: bool) -> bool:
        try:
            async with asyncio.timeout(self._send_within):
                await send({"type": "http.response.body", "body": body, "more_body": more})
        except TimeoutError:
            _log.warning("a stream was cut off: its client does not read", seconds=self._send_within)
            return False
        return True
