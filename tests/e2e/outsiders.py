"""What stands outside the stack and sees what leaves it: a collector of traces, a model's endpoint, a webhook."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import grpc.aio
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.openai_server import Body, ChatServer


class SpanSink(TraceServiceServicer):
    """A collector of OTLP over gRPC that keeps everything it is sent."""

    def __init__(self) -> None:
        self.endpoint = ""
        self.received: list[ExportTraceServiceRequest] = []

    async def Export(  # noqa: N802 - the name of the RPC
        self, request: ExportTraceServiceRequest, context: object
    ) -> ExportTraceServiceResponse:
        self.received.append(request)
        return ExportTraceServiceResponse()

    def spans(self) -> Iterator[tuple[str, Span]]:
        """Process (`api`, `worker`) and span."""
        for request in self.received:
            for group in request.resource_spans:
                named = {one.key: one.value.string_value for one in group.resource.attributes}
                for scope in group.scope_spans:
                    for span in scope.spans:
                        yield named["sluice.process"], span


@asynccontextmanager
async def span_sink() -> AsyncIterator[SpanSink]:
    sink, server = SpanSink(), grpc.aio.server()
    add_TraceServiceServicer_to_server(sink, server)  # type: ignore[no-untyped-call]
    sink.endpoint = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    yield sink
    await server.stop(None)


@dataclass
class Webhook:
    """A receiver of notifications whose URL is itself a secret."""

    path: str
    url: str = ""
    bodies: list[str] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        self.bodies.append(await request.text())
        return web.Response(status=500, text=request.path)


@asynccontextmanager
async def served(server: ChatServer, webhook: Webhook) -> AsyncIterator[None]:
    """Serve both on a free port."""
    app = web.Application()
    app.router.add_post("/v1/chat/completions", server.handle)
    app.router.add_post(webhook.path, webhook.take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    server.base_url, webhook.url = f"http://{host}:{port}/v1", f"http://{host}:{port}{webhook.path}"
    yield
    await runner.cleanup()


async def tells_the_key(request: web.Request, body: Body) -> web.StreamResponse:
    """Refuse, and repeat the caller's key in the error, as careless endpoints do."""
    key = request.headers.get("Authorization", "").removeprefix("Bearer ")
    error = {"error": {"message": f"Incorrect API key provided: {key}", "type": "invalid_request_error"}}
    return web.json_response(error, status=401)
