"""The API process: routers, the boundary around them, and the background loops that live beside them.

`bootstrap/` builds `ApiParts` and calls `create_app`; nothing here reads settings.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache

import structlog
from fastapi import APIRouter, FastAPI
from prometheus_client import CollectorRegistry
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import BaseRoute

from api import description, problems
from api.approvers.endpoints import router as approvers
from api.audit.endpoints import router as audit
from api.authentication import assert_every_route_is_guarded
from api.backtest.endpoints import router as backtest
from api.bodies import StrictBodies
from api.corrections.endpoints import router as corrections
from api.events.endpoints import router as events
from api.explanation.endpoints import router as explanation
from api.fleet.endpoints import router as fleet
from api.observed import HttpMetrics, Observed
from api.operations.endpoints import router as operations
from api.operations.metrics import BacklogMetrics
from api.operations.readiness import ReadinessChecks
from api.parts import ApiParts, Loop
from api.policies.endpoints import router as policies
from api.proposals.endpoints import router as proposals
from api.requests.endpoints import router as requests
from api.requests.watching import RequestWatches
from api.safety.endpoints import router as safety
from api.safety.exception_endpoints import router as exceptions
from api.shadow.endpoints import router as shadow
from api.stream.endpoints import router as stream
from api.stream.feed import EventFeed
from api.web.login.links import router as login_links
from api.web.rooms import ROOMS
from api.web.routes import show_failures

ROUTERS = (
    requests,
    events,
    proposals,
    corrections,
    explanation,
    approvers,
    safety,
    exceptions,
    fleet,
    audit,
    backtest,
    shadow,
    policies,
    stream,
    operations,
    login_links,
)
"""Every room's router. A route without a role keeps the application from being built."""

_WORTH_PACKING = 1_000
"""Bytes from which an answer is compressed."""
_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 30.0
_log = structlog.get_logger(__name__)


def create_app(parts: ApiParts) -> FastAPI:
    """Return the ASGI application.

    Raises:
        RuntimeError: a route neither asks for a role nor is public.
    """
    registry = CollectorRegistry()
    app = FastAPI(
        title="Sluice",
        version=parts.version,
        summary="Agents propose, gates decide, Temporal makes it durable.",
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan,
        redirect_slashes=False,
        routes=list(_routes()),
        # `Observed` makes the one server span of a request; the framework's own would stand beside it.
        telemetry={"tracing": False, "metrics": False, "logs": False},
        middleware=[
            Middleware(Observed, metrics=HttpMetrics(registry)),
            Middleware(GZipMiddleware, minimum_size=_WORTH_PACKING),
            Middleware(StrictBodies),
        ],
    )
    app.state.parts = parts
    app.state.feed = EventFeed(parts.database, parts.tenant)
    app.state.watches = RequestWatches(parts, app.state.feed)
    app.state.metrics = BacklogMetrics(registry)
    app.state.readiness = ReadinessChecks(parts)
    problems.install(app)
    show_failures(app)
    description.install(app)
    assert_every_route_is_guarded(app)
    return app


@cache
def _routes() -> tuple[BaseRoute, ...]:
    """Return the routes of every room, read from signatures once a process: they hold no part of an application."""
    every = APIRouter()
    for router in (*ROUTERS, *ROOMS):
        every.include_router(router)
    return tuple(every.routes)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    parts: ApiParts = app.state.parts
    feed: EventFeed = app.state.feed
    tasks = [asyncio.create_task(_keep_running(loop)) for loop in (*parts.loops, *feed.loops)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _keep_running(loop: Loop) -> None:
    pause = _FIRST_PAUSE
    while True:
        try:
            await loop()
            _log.error("a background loop ended", loop=_name(loop))
        except Exception:  # noqa: BLE001 -- whatever stopped it, the loop has to run
            _log.exception("a background loop failed", loop=_name(loop))
        await asyncio.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)


def _name(loop: Loop) -> str:
    return getattr(loop, "__qualname__", type(loop).__name__)
