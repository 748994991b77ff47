"""The routers of the web rooms: what goes wrong in one becomes a page or a fragment that says so, never bare JSON.

The cause stays in the log under the trace id that the page shows, as in `api/problems.py`, which decides status and
words for both.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from api.cookie import session_of
from api.parts import parts_of
from api.problems import classify, respond_to
from api.web.rendering import fragment, is_fragment_wanted, page
from api.web.session import safe_return_to
from contracts.errors import SluiceError
from contracts.principal import Principal

_Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class WebRoute(APIRoute):
    """A route whose errors are shown to a person."""

    def get_route_handler(self) -> _Handler:
        """Return the handler that renders what the endpoint raises."""
        serve = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                return await serve(request)
            except Exception as error:  # noqa: BLE001 -- whatever went wrong, a person is told in a page
                return await failure(request, error)

        return handle


def web_router(prefix: str = "") -> APIRouter:
    """Return a router for one room of pages."""
    return APIRouter(prefix=prefix, route_class=WebRoute, include_in_schema=False)


async def failure(request: Request, error: Exception) -> Response:
    """Return the page or fragment that tells what went wrong, with the API's status and headers for it."""
    problem, headers = classify(request.scope, error)
    if "location" in {name.lower() for name in headers}:
        # It sends the browser elsewhere: there is nothing to show.
        return Response(status_code=problem.status, headers=headers)
    me: Principal | None = getattr(request.state, "me", None)
    if is_fragment_wanted(request):
        return fragment(
            request,
            "failure/notice.html",
            me=me,
            status=problem.status,
            headers=headers | {"HX-Retarget": "#notices", "HX-Reswap": "innerHTML"},
            problem=problem,
        )
    return await page(
        request,
        "failure/page.html",
        me=me,
        status=problem.status,
        headers=headers,
        problem=problem,
        # An address such as `//elsewhere.example/` would lead away as a link.
        retry=safe_return_to(request.url.path),
    )


def show_failures(app: FastAPI) -> None:
    """Show pages for addresses that no room has, when a browser asks."""

    async def unknown(request: Request, error: Exception) -> Response:
        if _is_for_a_person(request):
            # No gate has run for this address: who asks decides only what stands around the failure.
            with suppress(SluiceError):
                await session_of(request, parts_of(request))
            return await failure(request, error)
        return respond_to(request.scope, error)

    for kind in (HTTPException, RequestValidationError):
        app.add_exception_handler(kind, unknown)


def _is_for_a_person(request: Request) -> bool:
    by_api = request.url.path.startswith("/v1/")
    return not by_api and "text/html" in request.headers.get("accept", "")
