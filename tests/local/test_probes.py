from __future__ import annotations

import ssl

import pytest
from aiohttp import web

from local.probes import answers_http


async def test_a_probe_reads_no_certificates(monkeypatch: pytest.MonkeyPatch) -> None:
    async def well(_: web.Request) -> web.Response:
        return web.Response()

    def reads(*_: object, **__: object) -> ssl.SSLContext:
        raise AssertionError("certificates are read")

    app = web.Application()
    app.router.add_get("/healthz", well)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    monkeypatch.setattr(ssl, "create_default_context", reads)
    try:
        assert await answers_http(f"{url}/healthz")
        assert not await answers_http(f"{url}/elsewhere")
    finally:
        await runner.cleanup()
