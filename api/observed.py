"""The outermost layer: one server span, one metric and the security headers per request, and no error gets past.

Span names and attributes follow OpenTelemetry's HTTP semantic conventions; the trace goes on in the outbox and the
workflow.
"""

from __future__ import annotations

import secrets
import time

from opentelemetry import trace
from opentelemetry.propagate import extract
from opentelemetry.trace import Span, SpanKind, StatusCode
from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import TRACE_ID, respond_to

_tracer = trace.get_tracer("sluice.api")

SECURITY_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""Sent with every answer; an endpoint that needs another value sets it itself."""

_SERVER_ERROR = 500


class HttpMetrics:
    """Counts and durations by route. The label is the route's pattern, never a path with ids."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "sluice_http_requests", "Requests served.", ("method", "route", "status"), registry=registry
        )
        self._duration = Histogram(
            "sluice_http_request_duration_seconds", "Time to serve.", ("method", "route"), registry=registry
        )

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answered request."""
        self._requests.labels(method, route, str(status)).inc()
        self._duration.labels(method, route).observe(seconds)


class Observed:
    """Pure ASGI middleware, outermost of ours."""

    def __init__(self, app: ASGIApp, metrics: HttpMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        context = extract(Headers(scope=scope))
        with _tracer.start_as_current_span(scope["method"], context=context, kind=SpanKind.SERVER) as span:
            await self._serve(scope, receive, send, span)

    async def _serve(self, scope: Scope, receive: Receive, send: Send, span: Span) -> None:
        started = time.perf_counter()
        scope[TRACE_ID] = _trace_id(span)
        status = 0

        async def send_marked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self._app(scope, receive, send_marked)
        except Exception as error:
            if status:
                raise
            await respond_to(scope, error)(scope, receive, send_marked)
        finally:
            self._record(scope, span, status, time.perf_counter() - started)

    def _record(self, scope: Scope, span: Span, status: int, seconds: float) -> None:
        method = scope["method"] if scope["method"] in _METHODS else "_OTHER"
        route = getattr(scope.get("route"), "path", "unmatched")
        span.update_name(f"{method} {route}")
        span.set_attribute("http.request.method", method)
        span.set_attribute("http.route", route)
        span.set_attribute("http.response.status_code", status)
        if status >= _SERVER_ERROR or not status:
            span.set_status(StatusCode.ERROR)
        self._metrics.observe(method, route, status, seconds)


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def _trace_id(span: Span) -> str:
    context = span.get_span_context()
    return f"{context.trace_id:032x}" if context.is_valid else secrets.token_hex(16)
