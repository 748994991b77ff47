"""Serves the application by uvicorn until SIGINT or SIGTERM; requests under way are finished first."""

from __future__ import annotations

import uvicorn
from fastapi import FastAPI

STOP_WITHIN = 10
"""Seconds that requests under way get to finish."""
KEEP_ALIVE = 20
"""Seconds an idle connection stays open."""


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
    await uvicorn.Server(config).serve()
