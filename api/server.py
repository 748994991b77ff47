"""Serves the application by uvicorn until SIGINT or SIGTERM; requests under way are finished first."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

STOP_WITHIN = 10
"""Seconds that requests under way get to finish."""
KEEP_ALIVE = 20
"""Seconds an idle connection stays open."""


class _Server(uvicorn.Server):
    """Stops on a signal and returns. Uvicorn's own way raises the signal again, which would skip our cleaning up."""

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
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        lifespan="on",
        timeout_graceful_shutdown=STOP_WITHIN,
        timeout_keep_alive=KEEP_ALIVE,
    )
    await _Server(config).serve()
