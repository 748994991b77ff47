"""An engine that talks to a server of our own, for answers that a real OPA does not give."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from aiohttp import web

from adapters.opa.engine import OpaPolicyEngine
from tests.opa_fixtures import TIMEOUT


@asynccontextmanager
async def answering(
    handler: Callable[[web.Request], Any],
    timeout: timedelta = TIMEOUT,
    required: tuple[str, ...] | None = None,
) -> AsyncIterator[OpaPolicyEngine]:
    app = web.Application()
    app.router.add_post("/v1/data/sluice/verdict", handler)
    app.router.add_get("/v1/data/sluice/bundle", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    (address,) = [socket.getsockname() for socket in site._server.sockets]  # type: ignore[union-attr]
    engine = OpaPolicyEngine(f"http://127.0.0.1:{address[1]}", timeout=timeout, required=required)
    try:
        yield engine
    finally:
        await engine.close()
        await runner.cleanup()


def saying(body: object, status: int = 200) -> Callable[[web.Request], Any]:
    async def handler(_: web.Request) -> web.Response:
        text = body if isinstance(body, str) else json.dumps(body)
        return web.Response(text=text, status=status, content_type="application/json")

    return handler
