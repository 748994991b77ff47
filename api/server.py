"""Serves the application by uvicorn until SIGINT or SIGTERM; requests under way are finished first.

Event streams would never finish by themselves: they are ended, and their clients come back to the next process.
"""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import uvicorn
from fastapi import FastAPI

from api.stream.feed import EventFeed
from api.stream.response import EVENT_STREAM

STOP_WITHIN = 10
"""Seconds that requests under way get to finish."""
KEEP_ALIVE = 20
"""Seconds an idle connection stays open."""


STREAMS_END_WITHIN = 0.5
"""Seconds that clients of streams get to take the end; who does not read by then is cut off."""


class _Server(uvicorn.Server):
    """Stops on a signal and returns. Uvicorn's own way raises the signal again, which would skip our cleaning up."""

    def __init__(self, config: uvicorn.Config, feed: EventFeed) -> None:
        super().__init__(config)
        self._feed = feed

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop: end the streams, which uvicorn would wait for."""
        super().handle_exit(sig, frame)
        self._feed.close()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let requests finish, but no stream."""
        self._feed.close()
        cutting = asyncio.create_task(self._cut_streams())
        try:
            await super().shutdown(sockets)
        finally:
            cutting.cancel()

    async def _cut_streams(self) -> None:
        await asyncio.sleep(STREAMS_END_WITHIN)
        for connection in list(self.server_state.connections):
            cycle, transport = getattr(connection, "cycle", None), getattr(connection, "transport", None)
            if cycle is not None and transport is not None and EVENT_STREAM in cycle.scope:
                transport.abort()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        numbers = (signal.SIGINT, signal.SIGTERM)
        for number in numbers:
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in numbers:
                loop.remove_signal_handler(number)


async def serve(app: FastAPI, host: str, port: int) -> None:
    """Serve until told to stop. Logs go the way `adapters.telemetry.logging` set up."""
    await server_for(app, host, port).serve()


def server_for(app: FastAPI, host: str, port: int) -> uvicorn.Server:
    """Return the server of an application that `create_app` made."""
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        lifespan="on",
        ws="none",  # nothing here speaks it, and an upgrade that is asked for is left to time out else
        timeout_graceful_shutdown=STOP_WITHIN,
        timeout_keep_alive=KEEP_ALIVE,
    )
    return _Server(config, app.state.feed)
