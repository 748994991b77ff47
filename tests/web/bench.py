"""A page on a bench: the real layout, scripts and policy, and a stream that a test starts, feeds and cuts."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import uvicorn
from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, StreamingResponse

from api.web import static_files
from api.web.rendering import _environment
from api.web.security import new_nonce, page_headers
from contracts.principal import Principal, PrincipalKind, Role

ROW = """<form id="row" data-live="proposal:prp_1" hx-get="/row" hx-trigger="sluice:changed" hx-swap="outerMorph"
  hx-nonce="{{ nonce }}"><label>Note <input id="note" name="note"></label><output>{{ number }}</output></form>"""
PAGE = """{% extends "layout.html" %}{% from "components/button.html" import button %}
{% from "components/decision.html" import why_off %}{% from "components/form.html" import confirm_name %}
{% block heading %}<h1>Bench</h1>{% endblock %}{% block main %}ROW
<form hx-post="/conflict" hx-target="#answer" hx-nonce="{{ nonce }}">{{ confirm_name("web") }}{{ why_off() }}
{{ button("Approve", "primary", "submit", attrs={"data-decision": true, "data-needs-name": true}) }}</form>
<form hx-post="/script" hx-target="#answer" hx-nonce="{{ nonce }}">{{ button("Script", type="submit") }}</form>
<form hx-post="/proxy" hx-target="#answer" hx-nonce="{{ nonce }}">{{ button("Proxy", type="submit") }}</form>
<div id="answer"></div>{% endblock %}""".replace("ROW", ROW)
ANA = Principal(kind=PrincipalKind.HUMAN, subject="ana", roles=(Role.APPROVER,))


@dataclass
class Bench:
    """The server's side: what it was asked, and its hand on the stream."""

    number: int = 5
    is_signed_in: bool = True
    rows_asked: int = 0
    rows_fail: int = 0
    """The first so many are answered with 503."""
    streams_asked: int = 0
    sent: list[tuple[int, str]] = field(default_factory=list)
    streams: set[asyncio.Queue[str | None]] = field(default_factory=set)
    url: str = ""

    def tell(self, subject: str = "prp_1") -> int:
        """Number one more event and send it to every open stream."""
        self.number += 1
        data = json.dumps({"number": self.number, "type": "x", "subject": subject})
        wire = f"event: proposal\nid: {self.number}\ndata: {data}\n\n"
        self.sent.append((self.number, wire))
        for stream in self.streams:
            stream.put_nowait(wire)
        return self.number

    def refuse_who_is_signed_out(self, request: Request) -> None:
        """Answer no fragment to somebody whose session is over."""
        if "hx-request" in request.headers and not self.is_signed_in:
            raise HTTPException(401)

    def cut(self) -> None:
        """End every open stream, as a restart does."""
        for stream in self.streams:
            stream.put_nowait(None)

    async def follow(self, after: int) -> AsyncIterator[str]:
        """Yield the wire of one stream."""
        queue: asyncio.Queue[str | None] = asyncio.Queue()
        self.streams.add(queue)
        try:
            yield f"event: hello\nid: {after}\ndata: {json.dumps({'number': after})}\n\n"
            for number, wire in self.sent:
                if number > after:
                    yield wire
            while (part := await queue.get()) is not None:
                yield part
        finally:
            self.streams.discard(queue)


def render(source: str, status: int = 200, **context: Any) -> HTMLResponse:
    """Return a template's HTML under a nonce of its own."""
    nonce, now = new_nonce(), datetime.now(UTC)
    shell = {
        "nonce": nonce, "me": ANA, "active": "", "mode": "practice", "halts": (), "grants": (), "waiting_count": None,
        "theme": "system", "version": "0", "now": now, "path": "/", "trace_id": "",
    }  # fmt: skip
    html = _environment.from_string(source).render(shell | context)
    return HTMLResponse(html, status, page_headers(nonce))


def app_of(bench: Bench) -> FastAPI:
    """The bench as an application."""
    app = FastAPI(dependencies=[Depends(bench.refuse_who_is_signed_out)])
    app.include_router(static_files.router)

    @app.get("/")
    async def page() -> Response:
        return render(PAGE, number=bench.number, after=bench.number)

    @app.get("/row")
    async def row() -> Response:
        bench.rows_asked += 1
        if bench.rows_asked <= bench.rows_fail:
            return Response(status_code=503)
        return render(ROW, number=bench.number)

    @app.get("/shell/waiting")
    async def waiting() -> Response:
        return Response(status_code=204)

    @app.post("/{what}")
    async def answer(what: str) -> Response:
        if what == "conflict":
            return render("<p>Ana approved 12 s ago</p>", 409)
        if what == "script":
            return render('<p>text</p><script nonce="{{ nonce }}">window.ran = true</script>')
        return HTMLResponse("<h1>Bad gateway</h1>", 502)

    @app.get("/v1/stream")
    async def stream(request: Request, after: int | None = None) -> Response:
        bench.streams_asked += 1
        if not bench.is_signed_in:
            return Response(status_code=401)
        start = bench.number if after is None else after
        return StreamingResponse(bench.follow(start), media_type="text/event-stream")

    return app


@asynccontextmanager
async def serving_bench() -> AsyncIterator[Bench]:
    """Serve a bench on a free port."""
    bench = Bench()
    config = uvicorn.Config(app_of(bench), log_level="error", ws="none", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        bench.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        running = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started:  # noqa: ASYNC110 -- uvicorn offers no event for it
            await asyncio.sleep(0.02)
        try:
            yield bench
        finally:
            bench.cut()
            server.should_exit = True
            await running
